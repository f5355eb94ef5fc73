"""Image files of a data set: reading, with errors that name the file, and selection of frames."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .sample import BrokenSample

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_ASPECT_TOLERANCE = 0.02  # relative difference of aspect ratios that rounding may cause


def list_pictures(folder: Path) -> list[Path]:
    """The image files of a folder in sorted order. Raises BrokenSample if there are none."""
    if not folder.is_dir():
        raise BrokenSample(f"{folder}: this folder is missing")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise BrokenSample(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return found


def read_rgb(file: Path | bytes, name: str = "") -> np.ndarray:
    """Read an image as uint8 RGB [h, w, 3].

    `name` identifies an image that is given as bytes in errors. Raises BrokenSample if the image is
    missing or damaged.
    """
    return np.asarray(_open(file, name, "RGB"))


def read_grey(file: Path | bytes, name: str = "") -> np.ndarray:
    """Read an image as greyscale, uint8 [h, w]; `name` and errors are as in `read_rgb`."""
    return np.asarray(_open(file, name, "L"))


def read_indices(file: Path) -> np.ndarray:
    """Read the palette indices of an indexed PNG, int64 [h, w]; grey values count as indices.

    Raises BrokenSample if the image is missing, damaged or of another kind.
    """
    image = _open(file, "", None)
    if image.mode not in ("P", "L", "1", "I", "I;16"):
        raise BrokenSample(f"{file}: is a {image.mode} picture, not an indexed one")
    return np.asarray(image).astype(np.int64)


def same_size(*stacks: np.ndarray) -> list[np.ndarray]:
    """Resize the stacks [f, h, w, ...] of one clip to the smallest size among them.

    RGB is averaged; masks [f, h, w] are resized by nearest neighbour. Raises ValueError if the
    aspect ratios differ by more than rounding.
    """
    height, width = min(stack.shape[1:3] for stack in stacks)
    fitted = []
    for stack in stacks:
        rows, columns = stack.shape[1:3]
        if abs(columns / rows - width / height) > _ASPECT_TOLERANCE * width / height:
            raise ValueError(f"pictures of {columns}x{rows} and of {width}x{height} do not match")
        if (rows, columns) != (height, width):
            method = cv2.INTER_AREA if stack.ndim == 4 else cv2.INTER_NEAREST
            stack = np.stack([cv2.resize(f, (width, height), interpolation=method) for f in stack])
        fitted.append(stack)
    return fitted


def choose_frames(rng: np.random.Generator, available: int, frames: int, stride: int) -> list[int]:
    """Choose the indices of `frames` out of `available` frames, at a stride from a random start.

    If the clip is too short for the stride, the largest that fits is used; if it has fewer frames
    than asked for, all of them are chosen.
    """
    frames = min(frames, available)
    if frames > 1:
        stride = max(1, min(stride, (available - 1) // (frames - 1)))
    span = (frames - 1) * stride + 1
    first = int(rng.integers(available - span + 1))
    return list(range(first, first + span, stride))


def mirrored(available: int, frames: int) -> list[int]:
    """The indices of `frames` frames that walk forth and back through `available` frames."""
    forth = list(range(available))
    there_and_back = forth + forth[-2:0:-1]
    return [there_and_back[i % len(there_and_back)] for i in range(frames)]


def stack_frames(pictures: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Stack frames. Raises BrokenSample, with the sample's `name`, if their sizes differ."""
    sizes = {picture.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise BrokenSample(f"{name}: frames of different sizes: {listed}")
    return np.stack(pictures)


def _open(file: Path | bytes, name: str, mode: str | None) -> Image.Image:
    place = name if isinstance(file, bytes) else str(file)
    try:
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
            image.load()
            return image.convert(mode) if mode else image.copy()
    except Exception as error:  # decoders raise many types of errors for damaged data
        reason = (
            "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        )
        raise BrokenSample(f"{place}: {reason}") from error


def cover_and_crop(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale frames, [f, h, w] or [f, h, w, 3], to cover `size` (h, w), and crop them centrally."""
    height, width = frames.shape[1:3]
    scale = max(size[0] / height, size[1] / width)
    if (height, width) == tuple(size):
        return frames
    large = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top, left = (large[0] - size[0]) // 2, (large[1] - size[1]) // 2
    return np.stack(
        [
            cv2.resize(np.ascontiguousarray(frame), large[::-1], interpolation=method)[
                top : top + size[0], left : left + size[1]
            ]
            for frame in frames
        ]
    )
