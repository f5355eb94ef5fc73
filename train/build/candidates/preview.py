"""What people see of a candidate: its frames in one picture, so that all play in step.

A browser draws frame i of every picture at the same tick of one clock; nothing has to be decoded as
a video, and nothing runs apart.
"""

from pathlib import Path

import cv2
import numpy as np

from ..pictures import grown, write_frame

PREVIEW = "preview"
_QUALITY = 88
_LINE = 2  # pixels of the outline


def write_previews(
    folder: Path,
    frames: np.ndarray,
    mask: np.ndarray,
    candidates: dict[str, np.ndarray],
    side: int,
    count: int,
) -> dict[str, int]:
    """Write the pictures of the source, of each candidate and of the outline.

    `frames` uint8 [f, h, w, 3] and `mask` bool [f, h, w] are shrunk to `side` and thinned out to
    `count` frames at most. Returns how the pictures are laid out: the `width` and `height` of a
    frame, `columns` of them in a row, and `frames` in all.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns = int(np.ceil(np.sqrt(len(chosen))))
    for name, clip in {"source": frames, **candidates}.items():
        small = [cv2.resize(clip[i], size, interpolation=cv2.INTER_AREA) for i in chosen]
        write_frame(folder / f"{name}.jpg", _sheet(small, columns), _QUALITY)
    lines = []
    for i in chosen:
        small = cv2.resize(mask[i].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        line = (grown(small, _LINE) & ~small).astype(np.uint8) * 255
        lines.append(np.repeat(line[..., None], 4, -1))
    (folder / "outline.png").parent.mkdir(parents=True, exist_ok=True)
    write_frame(folder / "outline.png", _sheet(lines, columns), 100)
    return {"width": size[0], "height": size[1], "columns": columns, "frames": len(chosen)}


def _sheet(frames: list[np.ndarray], columns: int) -> np.ndarray:
    height, width, channels = frames[0].shape
    rows = -(-len(frames) // columns)
    sheet = np.zeros((rows * height, columns * width, channels), np.uint8)
    for i, frame in enumerate(frames):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = frame
    return sheet
