"""Latents of generated scenes, with every subset of their objects, drawn and encoded once.

    python -m train.latent_cache --vae .runs/autoencoder --output .runs/latents \
        --images 4000 --videos 520 --workers 2

A scene with three objects is encoded eight times, and gives 27 pairs of source and target. Shards
are written one by one and never changed: a stopped run goes on where it was, and a training that
runs beside it finds the new ones.
"""

import argparse
import logging
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import Tensor

from lgvi_core.errors import LGVIError

from .data.scenes import Scene, draw_scene
from .data.synthetic import FRAME_SIZES, scene_of

logger = logging.getLogger(__name__)

SCENES_PER_SHARD = 40
VIDEO_FRAMES = 4
FIRST_VIDEO = 1_000_000  # scene numbers from here on are clips
FIRST_TURNED = 2_000_000  # and from here on most objects are turned
TURNED = "turned"
ENCODE_BATCH = 16


@dataclass(frozen=True)
class Shard:
    """The numbers of one shard's scenes; all have the same size and number of frames."""

    kind: str  # "image" or "video"
    number: int
    turned: bool = False

    @classmethod
    def named(cls, name: str) -> "Shard":
        """The shard of a file, `name` without its ending; LGVIError where it is none."""
        kind, *turned, number = name.split("-")
        known = kind in ("image", "video") and turned in ([], [TURNED]) and number.isdecimal()
        if not known:
            raise LGVIError(f"{name} is no shard of train.latent_cache: take it out of the cache")
        return cls(kind, int(number), bool(turned))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames; the sizes take turns."""
        return FRAME_SIZES[self.number % len(FRAME_SIZES)]

    @property
    def name(self) -> str:
        kind = f"{self.kind}-{TURNED}" if self.turned else self.kind
        return f"{kind}-{self.number:05d}.safetensors"

    def scenes(self) -> list[Scene]:
        """The scenes, made again from their seeds. Clips differ in speed (stride 1 to 4)."""
        first = self.number * SCENES_PER_SHARD + FIRST_TURNED * self.turned
        first += FIRST_VIDEO * (self.kind == "video")
        aspect = self.size[1] / self.size[0]
        scenes = []
        for number in range(first, first + SCENES_PER_SHARD):
            frames, stride = (1, 1) if self.kind == "image" else (VIDEO_FRAMES, 1 + number % 4)
            scenes.append(scene_of("train", number, frames, aspect, stride, turned=self.turned))
        return scenes


def subsets(count: int) -> Iterator[tuple[int, ...]]:
    """All subsets of `count` objects; the i-th holds the objects whose bit in i is set."""
    for code in range(2**count):
        yield tuple(i for i in range(count) if code >> i & 1)


@torch.inference_mode()
def encode(vae: AutoencoderTiny, frames: np.ndarray) -> Tensor:
    """Latents [n, 4, h/8, w/8] in fp16 of uint8 frames [n, h, w, 3]."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    device = next(vae.parameters()).device
    chunks = []
    for chunk in images.split(ENCODE_BATCH):
        chunk = chunk.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            chunks.append(vae.encode(chunk).latents.half().cpu())
    return torch.cat(chunks).contiguous()


def write_shard(vae: AutoencoderTiny, shard: Shard, folder: Path) -> int:
    """Draws and encodes one shard; returns how many frames it encoded."""
    height, width = shard.size
    frames, masks = [], []
    for scene in shard.scenes():
        layers = draw_scene(scene, height, width)
        frames += [layers.compose(keep) for keep in subsets(len(scene.objects))]
        for mask in layers.masks().reshape(-1, height, width):
            small = cv2.resize(mask, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
            masks.append(np.round(np.clip(small, 0, 1) * 255).astype(np.uint8))
    latents = encode(vae, np.concatenate(frames))
    partial = folder / f"{shard.name}.partial"
    save_file({"latents": latents, "masks": torch.from_numpy(np.stack(masks))}, partial)
    partial.replace(folder / shard.name)
    return len(latents)


@dataclass
class LatentScene:
    """One cached scene: `latents` [2^n, f, 4, h, w] fp16, `masks` [n, f, h, w] uint8."""

    scene: Scene
    latents: Tensor
    masks: Tensor


@dataclass
class LatentCache:
    """All shards in a folder, by kind and frame size. `refresh` looks for new ones."""

    folder: Path
    scenes: dict[tuple[str, tuple[int, int]], list[LatentScene]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def refresh(self) -> int:
        """Reads shards that were not there before; returns the number of scenes now held."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self.seen:
                self._add(Shard.named(path.stem), load_file(path))
                self.seen.add(path.name)
        return sum(len(group) for group in self.scenes.values())

    def groups(self, kind: str) -> list[list[LatentScene]]:
        """The scenes of a kind, one list per frame size."""
        return [group for (k, _), group in sorted(self.scenes.items()) if k == kind]

    def _add(self, shard: Shard, tensors: dict[str, Tensor]) -> None:
        group = self.scenes.setdefault((shard.kind, shard.size), [])
        frames = 1 if shard.kind == "image" else VIDEO_FRAMES
        latent_at = mask_at = 0
        for scene in shard.scenes():
            count = len(scene.objects)
            encoded, drawn = 2**count * frames, count * frames
            latents = tensors["latents"][latent_at : latent_at + encoded]
            masks = tensors["masks"][mask_at : mask_at + drawn]
            group.append(
                LatentScene(
                    scene,
                    latents.unflatten(0, (2**count, frames)),
                    masks.unflatten(0, (count, frames)),
                )
            )
            latent_at, mask_at = latent_at + encoded, mask_at + drawn
        if latent_at != len(tensors["latents"]):
            raise ValueError(f"{shard.name} was drawn by another version: empty the cache folder")


def write_cache(vae: Path, output: Path, shards: list[Shard], workers: int) -> None:
    """Writes the shards that are not there yet, in as many processes as `workers`."""
    output.mkdir(parents=True, exist_ok=True)
    todo = [shard for shard in shards if not (output / shard.name).exists()]
    start, encoded = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start_worker, (vae, output)) as pool:
        for done, count in enumerate(pool.imap(_work, todo), 1):
            encoded += count
            rate = encoded / (time.monotonic() - start)
            logger.info("%d of %d shards, %.1f frames/s", done, len(todo), rate)


@dataclass
class _Worker:
    vae: AutoencoderTiny
    output: Path


_worker: _Worker


def _start_worker(path: Path, output: Path) -> None:
    global _worker
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    vae = AutoencoderTiny.from_pretrained(path, torch_dtype=torch.float32).eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    _worker = _Worker(vae.to(device, memory_format=torch.channels_last), output)


def _work(shard: Shard) -> int:
    return write_shard(_worker.vae, shard, _worker.output)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--vae", type=Path, required=True, help="AutoencoderTiny folder")
    parser.add_argument("--output", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--images", type=int, default=4000, help="scenes with one frame")
    parser.add_argument("--videos", type=int, default=520, help="scenes with a short clip")
    parser.add_argument("--turned", action="store_true", help="most objects turned by any angle")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # Clips last: a training that runs beside this starts on single frames.
    shards = [
        Shard(kind, number, args.turned)
        for kind, scenes in (("image", args.images), ("video", args.videos))
        for number in range(-(-scenes // SCENES_PER_SHARD))
    ]
    write_cache(args.vae, args.output, shards, args.workers)


if __name__ == "__main__":
    main()
