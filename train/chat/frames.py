"""Single pictures of generated scenes, drawn once, with every object as a layer of its own.

    python -m train.chat.frames --output .runs/chat_frames --scenes 8000 --workers 2

Each object can be left out, so that a scene with three objects gives eight pictures. A shard that
exists already is not drawn again.
"""

import argparse
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.errors import LGVIError

from ..data.drawn.numbered import FRAME_SIZES, scene_of
from ..data.drawn.scenes import SceneObject, draw_scene
from ..engine.workers import map_in_workers

SCENES_PER_SHARD = 100
MOST_OBJECTS = 3
BACKGROUND, LAYER = 3, 4  # channels of the background (RGB) and of an object (premultiplied RGBA)


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of shard `number` in `folder`."""
    return folder / f"frames-{number:05d}.npy"


def frame_size(shard: int) -> tuple[int, int]:
    """Return (height, width) of a shard's pictures; the sizes alternate from shard to shard."""
    return FRAME_SIZES[shard % len(FRAME_SIZES)]


def scene_objects(scene: int) -> tuple[SceneObject, ...]:
    """Return the objects of a cached scene, generated again from its number."""
    height, width = frame_size(scene // SCENES_PER_SHARD)
    return scene_of("train", scene, 1, width / height).objects


def write_shard(folder: Path, number: int) -> None:
    """Draw the scenes of one shard and write them as uint8 [scenes, channels, h, w]."""
    height, width = frame_size(number)
    channels = BACKGROUND + MOST_OBJECTS * LAYER
    shard = np.zeros((SCENES_PER_SHARD, channels, height, width), np.uint8)
    for i in range(SCENES_PER_SHARD):
        scene = scene_of("train", number * SCENES_PER_SHARD + i, 1, width / height)
        layers = draw_scene(scene, height, width)
        parts = [layers.background[0], *layers.objects[:, 0]]
        drawn = np.concatenate([np.moveaxis(part, -1, 0) for part in parts])
        shard[i, : len(drawn)] = np.round(np.clip(drawn, 0, 1) * 255)
    with atomic_write(shard_path(folder, number)) as path, path.open("wb") as file:
        np.save(file, shard)


@dataclass
class SceneCache:
    """All shards in a folder, mapped into memory and read from disk when they are used.

    `known` keeps the objects of the scenes that were asked for.
    """

    folder: Path
    shards: list[np.ndarray] = field(default_factory=list)
    known: dict[int, tuple[SceneObject, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the shards. Raises LGVIError where there are none."""
        while (path := shard_path(self.folder, len(self.shards))).is_file():
            self.shards.append(np.load(path, mmap_mode="r"))
        if not self.shards:
            raise LGVIError(f"no drawn scenes in {self.folder}: run train.chat.frames")

    def __len__(self) -> int:
        return len(self.shards) * SCENES_PER_SHARD

    def objects(self, scene: int) -> tuple[SceneObject, ...]:
        """Return the objects of a scene by its number."""
        if scene not in self.known:
            self.known[scene] = scene_objects(scene)
        return self.known[scene]

    def picture(self, scene: int, present: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture with the objects `present`, float32 [h, w, 3], 0 to 1, and coverage.

        Coverage, float32 [h, w, MOST_OBJECTS], 0 to 1, has one channel for each object that is
        present, in the order of `present`; the other channels are 0.
        """
        shard, at = divmod(scene, SCENES_PER_SHARD)
        channels = self.shards[shard][at]
        frame = channels[:BACKGROUND].astype(np.float32) / 255
        coverage = np.zeros((MOST_OBJECTS, *frame.shape[1:]), np.float32)
        for place, index in enumerate(present):
            first = BACKGROUND + index * LAYER
            layer = channels[first : first + LAYER].astype(np.float32) / 255
            frame = frame * (1 - layer[3]) + layer[:3]
            coverage[place] = layer[3]
        frame, coverage = (
            np.ascontiguousarray(np.moveaxis(part, 0, -1)) for part in (frame, coverage)
        )
        return frame.clip(0, 1), coverage


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--scenes", type=int, default=8000, help="how many")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args.output.mkdir(parents=True, exist_ok=True)
    numbers = range(-(-args.scenes // SCENES_PER_SHARD))
    todo = [n for n in numbers if not shard_path(args.output, n).exists()]
    work = map_in_workers(_ShardWriter(args.output), todo, args.workers)
    for _ in tqdm(work, total=len(todo), unit="shard"):
        pass


@dataclass(frozen=True)
class _ShardWriter:
    """Maker of the function that writes a shard by its number, for any process."""

    folder: Path

    def __call__(self) -> Callable[[int], None]:
        return partial(write_shard, self.folder)


if __name__ == "__main__":
    main()
