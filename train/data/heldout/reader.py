"""The reader of held-out clips, as `train.data.heldout.write` leaves them in a folder.

    FOLDER/
        clips.json        what is asked of each clip, and the strata that it counts for
        0000.npz ...      source, masks, target, and without_<i> where a thing is kept

A file holds `source` uint8 [f, h, w, 3], `masks` uint8 [n, f, h, w] of what is seen of every thing,
`target` where something is to go, and for each kept thing the target without it.
"""

import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from lgvi_core.errors import LGVIError

from ..naming import Described
from ..sample import BrokenSample, Sample

INDEX = "clips.json"


class HeldOutReader:
    """Reader of a folder of held-out clips.

    The first clip of every stratum comes first, then the second of every one, and so on: the first
    hundred stand for all. `strata` chooses the clips that count for any of these, None takes all;
    `without` leaves out those that count for any of these. Raises LGVIError if the folder holds no
    such clips.
    """

    def __init__(
        self,
        root: Path,
        strata: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> None:
        index = Path(root) / INDEX
        if not index.is_file():
            raise LGVIError(
                f"{root} holds no held-out clips ({INDEX} is missing); make them by "
                "`python -m train.data.heldout.fetch` and then "
                f"`python -m train.data.heldout.write --output {root}`"
            )
        entries = json.loads(index.read_text(encoding="utf-8"))["clips"]
        known = {stratum for entry in entries for stratum in entry["strata"]}
        if unknown := sorted({*(strata or ()), *without} - known):
            raise LGVIError(f"{root} has no strata {unknown}; there are {sorted(known)}")
        self.root = Path(root)
        chosen = [
            entry
            for entry in entries
            if (strata is None or {*entry["strata"]} & {*strata})
            and not {*entry["strata"]} & {*without}
        ]
        self.entries: list[dict[str, Any]] = sorted(chosen, key=_round)

    def __len__(self) -> int:
        return len(self.entries)

    def conversations(self) -> int | None:
        """See `Reader.conversations`."""
        return sum(bool(entry["asked"]) for entry in self.entries)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """See `Reader.order`."""
        return rng.permutation(len(self))

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """See `Reader.read`; at most `frames` frames, from the first on. `rng` is not used."""
        entry = self.entries[index]
        try:
            with np.load(self.root / entry["file"]) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise BrokenSample(f"{self.root / entry['file']} cannot be read: {error}") from error
        masks = arrays["masks"][:, :frames]
        source = arrays["source"][:frames]
        removed = tuple(entry["removed"])
        mask = np.zeros(source.shape[:3], np.uint8)
        for i in removed:
            mask = np.maximum(mask, masks[i])
        return Sample(
            source=source,
            target=arrays.get("target", source)[:frames],
            mask=mask,
            sentence=entry["sentence"],
            name=entry["name"],
            kind=entry["kind"],
            turns=tuple((request, "") for request in entry["asked"]),
            object_masks=masks,
            removed=removed,
            without={
                int(name.removeprefix("without_")): value[:frames]
                for name, value in arrays.items()
                if name.startswith("without_")
            },
            strata=tuple(entry["strata"]),
            pair_of=entry["pair_of"],
            described=tuple(Described(**thing) for thing in entry["things"]),
        )


def _round(entry: dict[str, Any]) -> int:
    """The number of a clip in its stratum, with which its name ends."""
    return int(entry["name"].rsplit(" ", 1)[1])
