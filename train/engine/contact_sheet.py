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
    strips = [_strip(row, frames) for row in rows]
    width = max(strip.width for strip in strips)
    sheet = Image.new("RGB", (width, sum(strip.height + GAP for strip in strips)))
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP
    return sheet


def _strip(row: Row, frames: int) -> Image.Image:
    mask = np.zeros(row.source.shape[:3]) if row.mask is None else row.mask
    shown = np.repeat((mask[..., None] * 255).astype(np.uint8), 3, axis=-1)
    cells = []
    for clip in (row.source, row.result, row.target, shown):
        chosen = np.linspace(0, len(clip) - 1, min(frames, len(clip))).round().astype(int)
        cells += [np.pad(clip[i], ((0, 0), (0, GAP), (0, 0))) for i in chosen]
    strip = Image.fromarray(np.hstack(cells))
    draw = ImageDraw.Draw(strip)
    place = (4, strip.height - 16)
    draw.text(
        place,
        row.sentence,
        "white",
        ImageFont.load_default(12),
        stroke_width=2,
        stroke_fill="black",
    )
    return strip
