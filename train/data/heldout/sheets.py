"""Pictures of the clips in a folder, to look at: each clip's source and target, and its request."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .reader import INDEX

CELL, CAPTION = (160, 128), 26  # pixels: width and height of a frame, height of its caption
COLUMNS, PER_SHEET = 3, 36
_SHOWN = 3  # frames of a clip


def write_sheets(folder: Path) -> None:
    """Write sheets of all clips of a folder to `<folder>/sheets/*.png`."""
    entries = json.loads((folder / INDEX).read_text(encoding="utf-8"))["clips"]
    (folder / "sheets").mkdir(exist_ok=True)
    for start in range(0, len(entries), PER_SHEET):
        part = entries[start : start + PER_SHEET]
        rows = -(-len(part) // COLUMNS)
        cell = CELL[0] * (_SHOWN + 1), CELL[1] + CAPTION
        sheet = Image.new("RGB", (COLUMNS * cell[0], rows * cell[1]), "white")
        for i, entry in enumerate(part):
            place = (i % COLUMNS * cell[0], i // COLUMNS * cell[1])
            _draw(sheet, place, folder, entry)
        sheet.save(folder / "sheets" / f"{start:04d}.png")


def _draw(sheet: Image.Image, place: tuple[int, int], folder: Path, entry: dict) -> None:  # type: ignore[type-arg]
    with np.load(folder / entry["file"]) as arrays:
        source = arrays["source"]
        target = arrays.get("target", source)
    times = np.linspace(0, len(source) - 1, _SHOWN).round().astype(int)
    for k, frame in enumerate([*(source[t] for t in times), target[times[1]]]):
        picture = Image.fromarray(frame)
        picture.thumbnail(CELL)
        sheet.paste(picture, (place[0] + k * CELL[0], place[1]))
    asked = " | ".join(entry["asked"]) or entry["sentence"]
    words = f"{entry['name']} {list(entry['removed'])}\n{asked}"
    ImageDraw.Draw(sheet).text((place[0] + 2, place[1] + CELL[1]), words, fill="black")
