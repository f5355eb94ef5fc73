"""The contact sheet: pictures of results beside source, target and mask."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lgvi_core.checkpoint.files import atomic_write

from ..data.sample import Sample
from ..engine.contact_sheet import GAP, Row, contact_sheet
from .methods import Result

CELL_HEIGHT = 128  # pixels; larger frames are scaled down to it
CAPTION_HEIGHT = 18  # pixels


def write_row(sample: Sample, result: Result, caption: str, path: Path) -> None:
    """Write the first and last frame of source, result, target and mask as a PNG."""
    clips = (sample.source, result.frames, sample.target)
    source, frames, target = (_shrink(clip) for clip in clips)
    mask = None
    if result.mask is not None:
        mask = _shrink(np.round(result.mask * 255).astype(np.uint8)) / 255
    with atomic_write(path) as partial:
        contact_sheet([Row(caption, source, frames, target, mask)]).save(partial, "PNG")


def write_sheet(rows: Sequence[Path], path: Path) -> None:
    """Join the pictures of `rows`, one below another, and write them as a PNG."""
    pictures = [Image.open(row) for row in rows]
    height = sum(picture.height + GAP for picture in pictures)
    sheet = Image.new("RGB", (max(picture.width for picture in pictures), height), "grey")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height + GAP
    sheet.save(path)


def _shrink(clip: np.ndarray) -> np.ndarray:
    """First and last frame of uint8 [f, h, w] or [f, h, w, 3], at most CELL_HEIGHT high.

    Zeros below them make room for the caption.
    """
    frames = [Image.fromarray(clip[i]) for i in (0, -1)]
    scale = min(1, CELL_HEIGHT / frames[0].height)
    size = round(frames[0].width * scale), round(frames[0].height * scale)
    shown = np.stack([np.asarray(frame.resize(size)) for frame in frames])
    return np.pad(shown, [(0, 0), (0, CAPTION_HEIGHT)] + [(0, 0)] * (shown.ndim - 2))
