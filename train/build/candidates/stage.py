"""The stage itself: for each object one candidate for each width, as patches of its hole.

    <clip>/<object>/<d>/00000.png       the frame without the object, inside the object's box
    <clip>/<object>/preview/source.jpg  frames side by side, smaller: what people see
    <clip>/<object>/preview/<d>.jpg
    <clip>/<object>/preview/outline.png the object's outline, laid out in the same way

Outside its box a candidate is the source, so only the box is kept, without loss.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...data.pictures import list_pictures, read_rgb
from ..config import CandidatesConfig
from ..errors import BrokenClip
from ..masks.stage import MASKS
from ..pictures import grown, read_frames, read_ids, write_frame
from ..sources.take import FRAMES
from .preview import PREVIEW, write_previews
from .quality import Quality, judge, order_of
from .removers import Remove


def make_candidates(
    masked: dict[str, Any],
    taken: Path,
    masks: Path,
    config: CandidatesConfig,
    remove: Remove,
    out: Path,
) -> dict[str, Any]:
    """Write the candidates of every object of a clip to `out`.

    `masked` are the facts of the masks in the folder `masks`, `taken` the folder of the frames.
    Raises BrokenClip where no object has a candidate.
    """
    frames = read_frames(taken / FRAMES)
    ids = read_ids(masks / MASKS)
    objects, notes = [], []
    for record in masked["objects"]:
        try:
            objects.append(_object(record, frames, ids == record["id"], config, remove, out))
        except BrokenClip as error:
            notes.append(f"object {record['id']}: {error}")
    if not objects:
        raise BrokenClip("; ".join(notes))
    return {"objects": objects, "left_out": notes}


def _object(
    record: dict[str, Any],
    frames: np.ndarray,
    mask: np.ndarray,
    config: CandidatesConfig,
    remove: Remove,
    out: Path,
) -> dict[str, Any]:
    holes = [grown(mask, width) for width in config.grow]
    removed = [remove(frames, hole) for hole in holes]
    box = box_of(holes[-1])
    judged = judge(
        frames, holes, [part.frames for part in removed], [part.unseen for part in removed]
    )
    folder = out / str(record["id"])
    rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
    for width, part in zip(config.grow, removed, strict=True):
        for i, frame in enumerate(part.frames):
            write_frame(folder / str(width) / f"{i:05d}.png", frame[rows, columns], 100)
    shown = {str(w): part.frames for w, part in zip(config.grow, removed, strict=True)}
    preview = write_previews(
        folder / PREVIEW, frames, mask, shown, config.preview_side, config.preview_frames
    )
    candidates = [
        {"grow": config.grow[i], **judged[i].as_facts(), "refused": _refused(judged[i], config)}
        for i in order_of(judged)
    ]
    return {**record, "box": box, "preview": preview, "candidates": candidates}


def box_of(hole: np.ndarray) -> list[int]:
    """The smallest box (left, top, right, bottom) around a hole bool [f, h, w] in all frames."""
    whole = np.asarray(hole.any(axis=0))
    rows, columns = np.nonzero(whole.any(1))[0], np.nonzero(whole.any(0))[0]
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def read_candidate(
    folder: Path, identity: int, grow: int, box: Sequence[int], frames: np.ndarray
) -> np.ndarray:
    """A candidate's whole frames uint8 [f, h, w, 3]: its patches laid over `frames`."""
    result = frames.copy()
    left, top, right, bottom = box
    for i, path in enumerate(list_pictures(folder / str(identity) / str(grow))):
        result[i, top:bottom, left:right] = read_rgb(path)
    return result


def _refused(judged: Quality, config: CandidatesConfig) -> str:
    """Why a candidate is hopeless, or an empty string."""
    limits = {
        "leftover": config.max_leftover,
        "flicker": config.max_flicker,
        "unseen": config.max_unseen,
    }
    for name, limit in limits.items():
        value = getattr(judged, name)
        if limit is not None and value is not None and value > limit:
            return f"{name} {value:.3g} above {limit:g}"
    return ""
