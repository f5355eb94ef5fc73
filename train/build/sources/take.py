"""The stage itself: a clip's frames as JPEG files, and its given masks as indexed PNG files.

<clip>/frames/00000.jpg    every frame that is taken
<clip>/given/00000.png     where a mask was given; a pixel's value is its object's id
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from lgvi_core.errors import LGVIError
from lgvi_core.video.planes import frame_to_rgb

from ...data.pictures import SUFFIXES, read_grey, read_indices, read_rgb
from ...data.sample import BrokenSample
from ..config import FramesConfig
from ..errors import BrokenClip
from ..pictures import write_frame, write_ids
from .a2d_sentences import read_instances
from .raw import RawClip, RawMask, shown

FRAMES, GIVEN = "frames", "given"
_MISSING = 2  # frames that a file may lack of what its header says, by rounding


@dataclass(frozen=True)
class _Taken:
    """Frames that were taken, uint8 RGB, and where they stand in the source."""

    frames: list[np.ndarray]
    numbers: list[int]
    original: tuple[int, int]
    """Height and width before frames were shrunk."""
    total: int
    """Frames that the source has."""
    step: int
    """Frames of the film from one taken frame to the next."""


def take(clip: RawClip, config: FramesConfig, out: Path) -> dict[str, Any]:
    """Write a clip's frames and given masks to `out` and return its facts.

    Raises BrokenClip for a clip that cannot be used.
    """
    if clip.problem:
        raise BrokenClip(clip.problem)
    try:
        taken = _video(clip, config) if _is_video(clip) else _pictures(clip, config)
        if len(taken.frames) < config.shortest:
            raise BrokenClip(f"has {len(taken.frames)} frames, fewer than {config.shortest}")
        given = _given(clip, taken)
    except (BrokenSample, LGVIError, av.FFmpegError, OSError) as error:
        raise BrokenClip(shown(error)) from None
    for i, frame in enumerate(taken.frames):
        write_frame(out / FRAMES / f"{i:05d}.jpg", frame, config.quality)
    for i, ids in given.items():
        write_ids(out / GIVEN / f"{i:05d}.png", ids)
    height, width = taken.frames[0].shape[:2]
    return {
        "source": clip.source,
        "clip": clip.name,
        "split": clip.split,
        "frames": len(taken.frames),
        "width": width,
        "height": height,
        "step": taken.step,
        "given": sorted(given),
        "objects": [
            {"id": o.id, "expressions": list(o.expressions), "category": o.category}
            for o in clip.objects
        ],
        "left_out": list(clip.notes),
    }


def _is_video(clip: RawClip) -> bool:
    return len(clip.frames) == 1 and Path(clip.frames[0]).suffix.lower() not in SUFFIXES


def _pictures(clip: RawClip, config: FramesConfig) -> _Taken:
    numbers = list(range(len(clip.frames)))[: config.longest]
    frames = [read_rgb(Path(clip.frames[i])) for i in numbers]
    sizes = {frame.shape[:2] for frame in frames}
    if len(sizes) > 1:
        listed = ", ".join(f"{w} x {h}" for h, w in sorted(sizes))
        raise BrokenClip(f"its frames have different sizes: {listed}")
    small = [_shrunk(frame, config.side) for frame in frames]
    named = [int(Path(file).stem) for file in clip.frames if Path(file).stem.isdecimal()]
    gaps = np.diff(named) if len(named) == len(clip.frames) > 1 else np.ones(1, int)
    step = max(1, int(gaps.min()))
    return _Taken(small, numbers, frames[0].shape[:2], len(clip.frames), step)


def _video(clip: RawClip, config: FramesConfig) -> _Taken:
    """Frames of a video file: around the given masks, if it is longer than what is taken."""
    from lgvi_core.video.files import VideoReader

    last = max((mask.frame for mask in clip.masks), default=0)
    first = max(0, last + 1 - config.longest * config.stride)
    if clip.masks:
        first = min(first, min(mask.frame for mask in clip.masks))
    wanted = {mask.frame for mask in clip.masks}
    frames: list[np.ndarray] = []
    numbers: list[int] = []
    count = 0
    original = (0, 0)
    with VideoReader(Path(clip.frames[0])) as reader:
        for count, frame in enumerate(reader, 1):
            number = count - 1
            on_grid = number >= first and (number - first) % config.stride == 0
            if (on_grid or number in wanted) and len(frames) < config.longest + len(wanted):
                pixels = _rgb(frame)
                original = pixels.shape[:2]
                frames.append(_shrunk(pixels, config.side))
                numbers.append(number)
        told = reader.stream.frames
    if told and count < told - _MISSING:
        raise BrokenClip(f"is cut off: its header says {told} frames, {count} can be read")
    return _Taken(frames, numbers, original, count, config.stride)


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    return np.rint(frame_to_rgb(frame).numpy() * 255).clip(0, 255).astype(np.uint8)


def _shrunk(frame: np.ndarray, side: int | None) -> np.ndarray:
    height, width = frame.shape[:2]
    if side is None or max(height, width) <= side:
        return frame
    scale = side / max(height, width)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _given(clip: RawClip, taken: _Taken) -> dict[int, np.ndarray]:
    """The given masks as object ids, uint8 [h, w], by the number of the frame as taken."""
    place = {number: i for i, number in enumerate(taken.numbers)}
    height, width = taken.frames[0].shape[:2]
    ids_of: dict[int, np.ndarray] = {}
    for mask in clip.masks:
        if mask.frame >= taken.total:
            raise BrokenClip(
                f"{shown(mask.file)} is the mask of frame {mask.frame}, the clip has {taken.total}"
            )
        if mask.frame not in place:
            continue
        ids = _ids(mask)
        if ids.shape != taken.original:
            rows, columns = taken.original
            raise BrokenClip(
                f"{shown(mask.file)} is {ids.shape[1]} x {ids.shape[0]} pixels, the frames are "
                f"{columns} x {rows}"
            )
        ids = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST)
        whole = ids_of.setdefault(place[mask.frame], np.zeros((height, width), np.uint8))
        np.copyto(whole, ids, where=ids > 0)
    if clip.masks and not ids_of:
        raise BrokenClip(f"none of its {len(clip.masks)} masks is of a frame that is taken")
    return ids_of


def _ids(mask: RawMask) -> np.ndarray:
    """A mask file as object ids, uint8 [h, w]."""
    if mask.kind == "a2d":
        instances = read_instances(Path(mask.file))
        whole = np.zeros(next(iter(instances.values())).shape, np.uint8)
        for number, covered in instances.items():
            whole[covered] = number + 1
        return whole
    if mask.kind == "object":
        return (read_grey(Path(mask.file)) > 127).astype(np.uint8) * mask.id
    ids = read_indices(Path(mask.file))
    if ids.max(initial=0) > 255:
        raise BrokenClip(f"{shown(mask.file)} has object ids above 255")
    return ids.astype(np.uint8)
