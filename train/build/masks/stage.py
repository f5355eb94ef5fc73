"""The stage itself: one indexed mask for each frame, of the objects that can be used.

<clip>/masks/00000.png    a pixel's value is its object's id
"""

from pathlib import Path
from typing import Any

import numpy as np

from ...data.pictures import read_indices
from ..config import MasksConfig
from ..errors import BrokenClip
from ..pictures import read_frames, write_ids
from ..sources.take import FRAMES, GIVEN
from .engines import Engine, Followed, Wanted

MASKS = "masks"


def propagate(
    taken: dict[str, Any],
    folder: Path,
    config: MasksConfig,
    engine: Engine,
    words_engine: Engine | None,
    out: Path,
) -> dict[str, Any]:
    """Follow the objects of a clip that `sources` took into `folder`, and write masks to `out`.

    Returns facts with the objects that are left, and why others are not. Raises BrokenClip where
    none is left.
    """
    frames = list(read_frames(folder / FRAMES))
    wanted = _wanted(taken, folder)
    notes: list[str] = []
    found: dict[int, Followed] = {}
    marked = [thing for thing in wanted if thing.given]
    worded = [thing for thing in wanted if not thing.given]
    if marked:
        found |= engine(frames, marked)
    if worded and words_engine is not None:
        found |= words_engine(frames, worded)
    elif worded:
        notes += [f"object {o.id}: no mask is given, and masks.words is not set" for o in worded]
    kept, facts = {}, []
    for record in taken["objects"]:
        if record["id"] not in found:
            continue
        followed = found[record["id"]]
        hard = followed.masks > 0.5
        if reason := _reason(hard, followed.agreement, config):
            notes.append(f"object {record['id']}: {reason}")
            continue
        kept[record["id"]] = hard
        area = hard.mean(axis=(1, 2))
        figures = {
            "largest": round(float(area.max()), 5),
            "mean": round(float(area.mean()), 5),
            "motion": round(_motion(hard), 5),
            "agreement": round(followed.agreement, 3),
        }
        facts.append({**record, **figures})
    if not kept:
        raise BrokenClip("; ".join(notes))
    for i in range(len(frames)):
        write_ids(out / MASKS / f"{i:05d}.png", _joined({k: m[i] for k, m in kept.items()}))
    return {"objects": facts, "left_out": notes}


def _wanted(taken: dict[str, Any], folder: Path) -> list[Wanted]:
    given = {int(path.stem): read_indices(path) for path in sorted((folder / GIVEN).glob("*.png"))}
    return [
        Wanted(
            record["id"],
            record["expressions"][0],
            {i: ids == record["id"] for i, ids in given.items() if (ids == record["id"]).any()},
        )
        for record in taken["objects"]
    ]


def _reason(hard: np.ndarray, agreement: float, config: MasksConfig) -> str:
    """Why an object with these masks bool [f, h, w] is dropped; empty where it is not."""
    largest = float(hard.mean(axis=(1, 2)).max())
    if largest > config.max_area:
        return f"too large: covers {largest:.0%} of a frame"
    if largest <= config.min_area:
        return f"too small: covers {largest:.3%} of a frame at most"
    if agreement < config.min_agreement:
        return f"mask lost: agreement {agreement:.2f}"
    return ""


def _joined(masks: dict[int, np.ndarray]) -> np.ndarray:
    """Object ids uint8 [h, w]; where two objects overlap, the smaller one is in front."""
    ids = np.zeros(next(iter(masks.values())).shape, np.uint8)
    for key in sorted(masks, key=lambda k: -int(masks[k].sum())):
        ids[masks[key]] = key
    return ids


def _motion(hard: np.ndarray) -> float:
    """How far the middle of an object goes from frame to frame, as a share of the diagonal."""
    height, width = hard.shape[1:]
    y, x = np.mgrid[:height, :width]
    centres = [(y[m].mean(), x[m].mean()) for m in hard if m.any()]
    if len(centres) < 2:
        return 0.0
    steps = np.diff(np.array(centres), axis=0)
    return float(np.hypot(*steps.T).mean() / np.hypot(height, width))
