"""Examples to train on, kept by the people who corrected them, in ROVI's layout.

    FOLDER/
        JPEGImages/<example>/00000.jpg          the source
        Annotations/<example>/00000.png         what went: 1; an indexed PNG
        InpaintImages/<example>/1/00000.jpg     the accepted result
        Predicted/<example>/00000.jpg           what a model had made, if that is given
        PredictedMasks/<example>/00000.png      and the mask it had predicted
        train.json                              sentences and conversations, by example

An example counts when `train.json` names it, which is written last and in one piece: whatever
stops the program leaves no half example. Several programs may save into one folder.
"""

import io
import json
import re
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from PIL import Image
from torch import Tensor

from .canvas import check_frames
from .chat.conversation import Turn
from .checkpoint.files import atomic_write
from .errors import LGVIError
from .masks import check_mask

SPLIT = "train.json"
FOLDERS = ("JPEGImages", "Annotations", "InpaintImages", "Predicted", "PredictedMasks")
LARGEST = 0.25
"""Share of a frame above which the readers leave an object out, as in the paper."""
_NAME = re.compile(r"^\d{8}-\d{6}-[0-9a-f]{8}$")
_OBJECT = "1"
_QUALITY = 95
_PALETTE = (0, 0, 0, 236, 95, 103)
_WAIT = 60  # seconds for another program to finish
_OLD = 3600  # seconds after which files of an example that was never finished are removed


@dataclass(frozen=True)
class Example:
    """One correction.

    `source` and `result` [f, h, w, 3], 0 to 1, are a clip and what is right for it; `mask`
    [f or 1, h, w], 0 to 1, is what went, from 0.5 on. `predicted` and `predicted_mask` are what a
    model had made of it. `turns` are the conversation that led to it.
    """

    source: Tensor
    result: Tensor
    mask: Tensor
    sentence: str
    turns: Sequence[Turn] = ()
    predicted: Tensor | None = None
    predicted_mask: Tensor | None = None


@dataclass(frozen=True)
class Saved:
    """Where an example lies, how many the folder holds, and what its reader should know."""

    name: str
    count: int
    largest: float
    """Share of a frame that the mask covers at most."""


def save_example(folder: Path, example: Example) -> Saved:
    """Add an example to a folder.

    Raises LGVIError for parts that do not belong together, where nothing was removed, and where
    the folder holds something else.
    """
    mask = _checked(example)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "train.lock", timeout=_WAIT):
            table = _table(folder)
            _forget_unfinished(folder, table)
            _write_frames(folder / "JPEGImages" / name, example.source)
            _write_masks(folder / "Annotations" / name, mask)
            _write_frames(folder / "InpaintImages" / name / _OBJECT, example.result)
            if example.predicted is not None:
                _write_frames(folder / "Predicted" / name, example.predicted)
            if example.predicted_mask is not None:
                _write_masks(folder / "PredictedMasks" / name, _whole(example.predicted_mask, mask))
            table[name] = {"objects": {_OBJECT: _entry(example)}}
            with atomic_write(folder / SPLIT) as partial:
                partial.write_text(json.dumps(table, indent=1), encoding="utf-8")
    except Timeout:
        raise LGVIError(f"{folder} is in use by another program: try again") from None
    return Saved(name, len(table), float(mask.mean((1, 2)).max()))


def _checked(example: Example) -> Tensor:
    """The mask [f, h, w] of zeros and ones. Raises LGVIError where the parts do not fit."""
    check_frames(example.source, "source")
    check_frames(example.result, "result")
    size = (example.source.shape[1], example.source.shape[2])
    for name, frames in (("result", example.result), ("predicted", example.predicted)):
        if frames is not None and frames.shape != example.source.shape:
            raise LGVIError(
                f"{name} is {_shape(frames)}, source is {_shape(example.source)} (frames, height, "
                "width): connect the output of LGVI Composite, which has the source's size"
            )
    check_mask(example.mask, len(example.source), {size})
    if example.predicted_mask is not None:
        check_mask(example.predicted_mask, len(example.source), {size})
    if not example.sentence.strip():
        raise LGVIError("the sentence is empty: say what was removed, as in 'remove the red star'")
    mask = _whole(example.mask, example.source[..., 0])
    if mask.any() and torch.equal(example.source, example.result):
        raise LGVIError("result is the source unchanged, though the mask is not empty")
    if not mask.any() and not torch.equal(example.source, example.result):
        raise LGVIError("the mask is empty, though result differs from source: connect its mask")
    return mask


def _whole(mask: Tensor, like: Tensor) -> Tensor:
    """A mask as zeros and ones for each frame of `like` [f, h, w]."""
    return (mask >= 0.5).float().expand(len(like), -1, -1)


def _entry(example: Example) -> dict[str, Any]:
    entry: dict[str, Any] = {"expressions": [" ".join(example.sentence.split())]}
    if example.turns:
        entry["conversations"] = [[[turn.request, turn.reply] for turn in example.turns]]
    return entry


def _table(folder: Path) -> dict[str, Any]:
    """What the folder holds. Raises LGVIError where it is not ours to add to."""
    path = folder / SPLIT
    if not path.is_file():
        if found := [p.name for p in folder.iterdir() if p.name not in (*FOLDERS, "train.lock")]:
            raise LGVIError(
                f"{folder} holds {', '.join(sorted(found)[:5])} and no {SPLIT}: name a new folder"
            )
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{path} cannot be read: {error}; name another folder") from error
    if not isinstance(table, dict) or not all(_NAME.match(name) for name in table):
        raise LGVIError(f"{path} lists videos that were not saved here: name a new folder")
    return table


def _forget_unfinished(folder: Path, table: dict[str, Any]) -> None:
    """Delete what a stopped program left of examples that the table does not name."""
    before = time.time() - _OLD
    for part in FOLDERS:
        for path in (folder / part).glob("*"):
            if _NAME.match(path.name) and path.name not in table and path.stat().st_mtime < before:
                shutil.rmtree(path, ignore_errors=True)


def _write_frames(folder: Path, frames: Tensor) -> None:
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        pixels = (frame.cpu().float() * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        _save(Image.fromarray(pixels), folder / f"{i:05d}.jpg", quality=_QUALITY, subsampling=0)


def _write_masks(folder: Path, mask: Tensor) -> None:
    folder.mkdir(parents=True)
    for i, frame in enumerate(mask):
        image = Image.fromarray(frame.cpu().to(torch.uint8).numpy(), mode="L")
        image.putpalette(_PALETTE)
        _save(image, folder / f"{i:05d}.png")


def _save(image: Image.Image, path: Path, **options: int) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if path.suffix == ".jpg" else "PNG", **options)
    path.write_bytes(buffer.getvalue())


def _shape(frames: Tensor) -> str:
    return " x ".join(map(str, frames.shape[:3]))
