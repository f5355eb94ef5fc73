"""What was chosen, in ROVI's layout; see `train.data.sets.rovi`."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...data.pictures import list_pictures
from ...data.sets.as_request import as_request
from ...data.sets.rovi import FRAMES_FOLDER, MASKS_FOLDER, TARGETS_FOLDER
from ...engine.files import write_json
from ..candidates.stage import read_candidate
from ..config import BuildConfig
from ..masks.stage import MASKS as MASK_FILES
from ..people.decisions import Decision
from ..pictures import read_frames, write_frame
from ..sources.take import FRAMES
from ..stages import CANDIDATES, MASKS, SOURCES
from ..state import State, checksum

Talk = dict[str, Any]
TRAIN, TEST = "train", "test"


def split_of(decision: Decision, test_share: float) -> str:
    """train or test: what the source says, or a share by the checksum of the clip's name."""
    named = str(decision.item.clip["split"])
    if named in (TRAIN, TEST):
        return named
    drawn = int(checksum("split", decision.item.key)[:8], 16) / 16**8
    return TEST if drawn < test_share else TRAIN


def write_rovi(
    config: BuildConfig,
    decisions: Iterable[Decision],
    talks: dict[str, list[Talk]],
    output: Path,
) -> dict[str, dict[str, Any]]:
    """Write every item that was chosen under `output`; returns the tables of both splits.

    `talks` are the conversations of an item, by its name.
    """
    state = State(config.state)
    by_clip: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.grow is not None:
            by_clip[decision.item.key].append(decision)
    splits: dict[str, dict[str, Any]] = {TRAIN: {}, TEST: {}}
    for key, chosen in sorted(by_clip.items()):
        clip = chosen[0].item.clip
        names = [f"{i * int(clip['step']):05d}" for i in range(int(clip["frames"]))]
        frames = list_pictures(state.folder(SOURCES, key) / FRAMES)
        masks = list_pictures(state.folder(MASKS, key) / MASK_FILES)
        for name, frame, mask in zip(names, frames, masks, strict=True):
            _link(frame, output / FRAMES_FOLDER / key / f"{name}.jpg")
            _link(mask, output / MASKS_FOLDER / key / f"{name}.png")
        source = read_frames(state.folder(SOURCES, key) / FRAMES)
        objects = {}
        for decision in chosen:
            identity = decision.item.object["id"]
            assert decision.grow is not None
            target = read_candidate(
                state.folder(CANDIDATES, key),
                identity,
                decision.grow,
                decision.item.object["box"],
                source,
            )
            folder = output / TARGETS_FOLDER / key / str(identity)
            for name, frame in zip(names, target, strict=True):
                write_frame(folder / f"{name}.jpg", frame, config.frames.quality)
            objects[str(identity)] = _entry(decision, talks.get(decision.item.name, []))
        about = {"source": clip["source"], "clip": clip["clip"]}
        split = split_of(chosen[0], config.export.test_share)
        splits[split][key] = {**about, "objects": objects}
    for split, table in splits.items():
        write_json(output / f"{split}.json", table, indent=1)
    return splits


def _entry(decision: Decision, talks: list[Talk]) -> dict[str, Any]:
    """What the split file says of an object; keys beyond ROVI's tell where it comes from."""
    thing = decision.item.object
    figures = next(c for c in thing["candidates"] if c["grow"] == decision.grow)
    entry: dict[str, Any] = {"expressions": [as_request(text) for text in decision.expressions]}
    if talks:
        entry["requests"] = [talk["request"] for talk in talks]
        entry["response"] = [talk["reply"] for talk in talks]
    made = {k: figures[k] for k in ("grow", "leftover", "flicker", "unseen")}
    seen = {k: thing[k] for k in ("largest", "mean", "motion")}
    return {
        **entry,
        "category": thing["category"],
        "mask": seen,
        "made": {**made, "chosen_by": decision.by, "votes": list(decision.votes)},
    }


def _link(source: Path, place: Path) -> None:
    """Give a file a second name; copy it where the file system cannot."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
