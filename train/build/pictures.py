"""Pictures of the state: how they are written and read, and the masks of objects in them."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..data.pictures import list_pictures, read_indices, read_rgb

PALETTE = (0, 0, 0, 236, 95, 103, 153, 199, 148, 250, 200, 99, 102, 153, 204, 197, 148, 197)
"""RGB of the background and of the first objects in indexed PNG files."""


def write_frame(path: Path, frame: np.ndarray, quality: int) -> None:
    """Write a frame uint8 RGB [h, w, 3] as JPEG, or without loss where the name ends in .png."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(frame)
    if path.suffix == ".png":
        image.save(path)
    else:
        image.save(path, quality=quality, subsampling=0)


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write object ids uint8 [h, w] as an indexed PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids, mode="L")
    image.putpalette(PALETTE)
    image.save(path)


def read_frames(folder: Path) -> np.ndarray:
    """All pictures of a folder in order, uint8 RGB [f, h, w, 3]."""
    return np.stack([read_rgb(path) for path in list_pictures(folder)])


def read_ids(folder: Path) -> np.ndarray:
    """All indexed pictures of a folder in order, uint8 [f, h, w]."""
    return np.stack([read_indices(path) for path in list_pictures(folder)]).astype(np.uint8)


def grown(mask: np.ndarray, width: int) -> np.ndarray:
    """A mask bool [h, w], or [f, h, w], grown by `width` pixels in every direction."""
    if width == 0:
        return mask
    if mask.ndim == 3:
        return np.stack([grown(frame, width) for frame in mask])
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0
