"""Contact sheets: images that show source, result, target and predicted mask side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 2  # pixels between cells


@dataclass(frozen=True)
class Row:
    """One video: uint8 RGB frames [f, h, w, 3], and the predicted `mask` [f, h, w] in 0 to 1."""

    sentence: str
    source: np.ndarray
    result: np.ndarray
    target: np.ndarray
    mask: np.ndarray | None


def contact_sheet(rows: Sequence[Row], frames: int = 2) -> Image.Image:
    """Draw one row per video: source, result, target and mask, each with `frames` frames.

    The frames are evenly spread over the video. A missing mask is black.
    """
    return stacked([strip(row, frames) for row in rows])


def stacked(strips: Sequence[Image.Image]) -> Image.Image:
    """Put strips below each other."""
    width = max(one.width for one in strips)
    sheet = Image.new("RGB", (width, sum(one.height + GAP for one in strips)))
    top = 0
    for one in strips:
        sheet.paste(one, (0, top))
        top += one.height + GAP
    return sheet


def strip(row: Row, frames: int = 2) -> Image.Image:
    """Draw one row of a `contact_sheet`."""
    mask = np.zeros(row.source.shape[:3]) if row.mask is None else row.mask
    shown = np.repeat((mask[..., None] * 255).astype(np.uint8), 3, axis=-1)
    cells = []
    for clip in (row.source, row.result, row.target, shown):
        chosen = np.linspace(0, len(clip) - 1, min(frames, len(clip))).round().astype(int)
        cells += [np.pad(clip[i], ((0, 0), (0, GAP), (0, 0))) for i in chosen]
    drawn = Image.fromarray(np.hstack(cells))
    draw = ImageDraw.Draw(drawn)
    place = (4, drawn.height - 16)
    draw.text(
        place,
        row.sentence,
        "white",
        ImageFont.load_default(12),
        stroke_width=2,
        stroke_fill="black",
    )
    return drawn
