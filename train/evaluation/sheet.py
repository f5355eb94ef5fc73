"""The contact sheet: what the numbers look like."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..data.sample import Sample
from .methods import Result

CELL_HEIGHT = 128
CAPTION = 18  # pixels
COLUMNS = "source (first, last frame) | result | target | predicted mask"


def write_row(sample: Sample, result: Result, path: Path) -> None:
    """Source, result, target and mask, first and last frame of each, as a PNG."""
    mask = np.zeros(sample.mask.shape, np.float32) if result.mask is None else result.mask
    grey = np.repeat((mask[..., None] * 255).astype(np.uint8), 3, axis=-1)
    cells = [
        _cell(frames[i])
        for frames in (sample.source, result.frames, sample.target, grey)
        for i in (0, -1)
    ]
    part = path.with_name(path.name + ".part.png")
    cv2.imwrite(str(part), np.hstack(cells)[..., ::-1])
    part.replace(path)


def write_sheet(rows: Sequence[tuple[str, Path]], path: Path) -> None:
    """The rows below each other, each under its caption, at `path`."""
    pictures = [(caption, _read(row)) for caption, row in rows]
    width = max(picture.shape[1] for _, picture in pictures)
    parts = [_caption(COLUMNS, width)]
    for caption, picture in pictures:
        parts.append(_caption(caption, width))
        parts.append(np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0))))
    cv2.imwrite(str(path), np.vstack(parts))


def _read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    if picture is None:
        raise OSError(f"{path} cannot be read; remove it to have it made again")
    return picture


def _cell(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    size = round(width * CELL_HEIGHT / height), CELL_HEIGHT
    shown = (
        frame if height == CELL_HEIGHT else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    )
    return np.pad(shown, ((0, 2), (0, 2), (0, 0)))


def _caption(text: str, width: int) -> np.ndarray:
    strip = np.zeros((CAPTION, width, 3), np.uint8)
    cv2.putText(strip, text, (4, CAPTION - 5), 0, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return strip
