"""ROVI as released: the paper's data set of videos.

    ROOT/
        JPEGImages/<video>/*.jpg               source frames
        Annotations/<video>/*.png              indexed PNG: a pixel's value is its object's id
        InpaintImages/<video>/<object id>/*    frames without that object, used as target
        train.json, test.json                  sentences, by video

Files of the three folders are matched by sorted order, so the folders must hold equally many. The
split file is keyed by video, for instance

    {"<video>": {"objects": {"<object id>": {"expressions": ["remove the man on the left"],
        "requests": ["I only want to keep the dog."], "response": "Sure. {{prompt}} ..."}}}}

`requests` and `response` are for `train_lgvi_i` and may be missing. `RoviFields` maps other names
in the file. There may be one sentence or a list; the one that is used gets "remove" in front if it
does not begin with such a verb. File names that are numbers (00000, 00005, ...) are frame numbers
of the original video, and `stride` counts its frames.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lgvi_core.errors import LGVIError

from ..pictures import (
    choose_frames,
    list_pictures,
    read_indices,
    read_rgb,
    same_size,
    stack_frames,
)
from ..sample import BrokenSample, Sample

FRAMES_FOLDER, MASKS_FOLDER, TARGETS_FOLDER = "JPEGImages", "Annotations", "InpaintImages"
MAX_AREA = 0.25  # share of a frame's area above which the paper drops an object
_REQUEST = re.compile(
    r"(please )?(remove|delete|erase|take|get rid|eliminate|clear|inpaint)\b", re.I
)
_TRIES = 50  # objects in a row that may be too large before a sample counts as broken


class RoviFields(BaseModel):
    """Names of the keys in the split file, for files that differ from the default layout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    videos: str | None = Field(
        default=None,
        description="key of the table of videos in the file; null: the file is that table",
    )
    entries: str | None = Field(
        default="objects",
        description="key of the table of entries in a video; null: the video itself",
    )
    sentence: str | None = Field(
        default="expressions",
        description="key of a sentence or list of sentences in an entry; null: the entry itself",
    )
    object: str | None = Field(
        default=None,
        description="key of the object's id in an entry; null: entries are keyed by it",
    )
    requests: str = Field(
        default="requests",
        description="key of an implicit request or a list of them in an entry, where it has any",
    )
    responses: str = Field(
        default="response", description="key of the replies to them, with the prompt marks"
    )


class TooLarge(BrokenSample):
    """Raised for an object that covers too much of a frame to be trained on."""


@dataclass(frozen=True)
class RoviEntry:
    """One object of one video in the split file."""

    video: str
    object_id: str
    sentences: tuple[str, ...]
    problem: str = ""
    """What is wrong with the record, if anything."""
    turns: tuple[tuple[str, str], ...] = ()
    """Conversations of one turn each: (request, reply)."""

    @property
    def name(self) -> str:
        """The entry as "video/object id", for messages."""
        return f"{self.video}/{self.object_id}"


class RoviReader:
    """Reader of samples that remove one object from a video.

    If an object covers more than `max_area` of a frame, the next object in the data set that does
    not is read in its place, so that the length is known without opening masks. Raises LGVIError if
    `root` or the `fields` do not fit.
    """

    def __init__(
        self,
        root: Path,
        split_file: str = "train.json",
        fields: RoviFields | None = None,
        stride: int = 5,
        max_area: float = MAX_AREA,
    ) -> None:
        self.root, self.stride, self.max_area = Path(root), stride, max_area
        needed = (FRAMES_FOLDER, MASKS_FOLDER, TARGETS_FOLDER, split_file)
        found = sorted(p.name for p in self.root.iterdir()) if self.root.is_dir() else []
        missing = [name for name in needed if name not in found]
        if missing:
            raise LGVIError(
                f"{root} is not a ROVI folder: {', '.join(missing)} missing; "
                f"found: {', '.join(found[:12]) or 'nothing'}"
            )
        self.entries = read_entries(self.root / split_file, fields or RoviFields())

    def __len__(self) -> int:
        return len(self.entries)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """See `Reader.order`."""
        return rng.permutation(len(self))

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """See `Reader.read`; the mask is 255 where the annotation has the object's id."""
        for offset in range(min(_TRIES, len(self.entries))):
            try:
                return self._read(self.entries[(index + offset) % len(self)], frames, rng)
            except TooLarge as error:
                refused = error
        raise refused

    def frames_of(self, index: int) -> int:
        """The number of frames of sample `index`."""
        return len(list_pictures(self.root / FRAMES_FOLDER / self.entries[index].video))

    def examine(self, index: int) -> Sample:
        """Read all frames of exactly this sample; raises TooLarge if `read` would pass it over."""
        entry = self.entries[index]
        _check(entry)
        return self._read(entry, self.frames_of(index), np.random.default_rng(0))

    def _read(self, entry: RoviEntry, frames: int, rng: np.random.Generator) -> Sample:
        _check(entry)
        folders = {
            FRAMES_FOLDER: self.root / FRAMES_FOLDER / entry.video,
            MASKS_FOLDER: self.root / MASKS_FOLDER / entry.video,
            TARGETS_FOLDER: self.root / TARGETS_FOLDER / entry.video / entry.object_id,
        }
        files = {name: list_pictures(folder) for name, folder in folders.items()}
        counts = {name: len(found) for name, found in files.items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{count} in {name}" for name, count in counts.items())
            raise BrokenSample(f"{entry.name}: numbers of frames differ: {listed}")
        stride = max(1, round(self.stride / _gap(files[FRAMES_FOLDER])))
        chosen = choose_frames(rng, counts[FRAMES_FOLDER], frames, stride)
        mask = stack_frames(
            [read_indices(files[MASKS_FOLDER][i]) == int(entry.object_id) for i in chosen],
            f"{entry.name} in {MASKS_FOLDER}",
        )
        share = mask.mean(axis=(1, 2)).max()
        if share > self.max_area:
            raise TooLarge(f"{entry.name}: covers {share:.0%} of a frame")
        source, target = (
            stack_frames([read_rgb(files[name][i]) for i in chosen], f"{entry.name} in {name}")
            for name in (FRAMES_FOLDER, TARGETS_FOLDER)
        )
        try:
            source, target, mask = same_size(source, target, mask.astype(np.uint8) * 255)
        except ValueError as error:
            raise BrokenSample(f"{entry.name}: {error}") from error
        sentence = as_request(entry.sentences[rng.integers(len(entry.sentences))])
        turns = [entry.turns[rng.integers(len(entry.turns))]] if entry.turns else []
        return Sample(source, target, mask, sentence, entry.name, turns=tuple(turns))


def as_request(sentence: str) -> str:
    """The sentence with "remove" in front, unless it begins with a verb of removal."""
    sentence = sentence.strip()
    if _REQUEST.match(sentence):
        return sentence
    first, *rest = sentence.split(" ", 1)
    return " ".join(["remove", first.lower() if first in ("The", "A", "An") else first, *rest])


def read_entries(file: Path, fields: RoviFields) -> list[RoviEntry]:
    """Read the objects of a split file.

    A video whose record the fields do not fit becomes an entry with a `problem`. Raises LGVIError,
    with what was found, if the file cannot be read or names no object, or if the fields do not fit
    more than half of its videos.
    """
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{file} cannot be read as JSON: {error}") from error
    videos = _pick(table, fields.videos, "videos", f"{file.name}")
    if not isinstance(videos, dict) or not videos:
        raise LGVIError(f"{file.name}: no table of videos; found {_shape(videos)}")
    entries: list[RoviEntry] = []
    problems = []
    for video, record in videos.items():
        try:
            entries += _entries_of(video, record, fields, f"{file.name}, video {video}")
        except LGVIError as error:
            problems.append(str(error))
            entries.append(RoviEntry(video, "?", (), str(error)))
    if 2 * len(problems) > len(videos):
        raise LGVIError(problems[0])
    if not entries:
        raise LGVIError(f"{file.name}: its {len(videos)} videos name no object")
    return entries


def _entries_of(video: str, record: Any, fields: RoviFields, where: str) -> Iterator[RoviEntry]:
    """One entry for each object of a video; several records of one object are merged."""
    table = _pick(record, fields.entries, "entries", where)
    if isinstance(table, list):
        table = {str(i): entry for i, entry in enumerate(table)}
        if fields.object is None:
            raise LGVIError(f"{where}: a list of entries needs fields.object, their id's key")
    if not isinstance(table, dict):
        raise LGVIError(f"{where}: fields.entries must lead to a table; found {_shape(table)}")
    sentences: dict[str, list[str]] = {}
    turns: dict[str, list[tuple[str, str]]] = {}
    for key, entry in table.items():
        place = f"{where}, entry {key}"
        identity = key if fields.object is None else _pick(entry, fields.object, "object", place)
        try:
            identity = str(int(identity))
        except (TypeError, ValueError):
            raise LGVIError(
                f"{place}: an object's id is a number in the annotation; found {identity!r}. "
                "Set fields.object to the key that holds it, or fields.entries to the right table"
            ) from None
        given = _pick(entry, fields.sentence, "sentence", place)
        given = [given] if isinstance(given, str) else given
        if not isinstance(given, list) or not given or not all(isinstance(s, str) for s in given):
            raise LGVIError(f"{place}: fields.sentence must lead to text; found {_shape(given)}")
        sentences.setdefault(identity, []).extend(given)
        turns.setdefault(identity, []).extend(_turns_of(entry, fields))
    return iter(
        [
            RoviEntry(video, key, tuple(found), turns=tuple(turns[key]))
            for key, found in sentences.items()
        ]
    )


def _turns_of(entry: Any, fields: RoviFields) -> list[tuple[str, str]]:
    """Pairs of requests and replies, in order; requests without a reply are left out."""
    found = [
        value if isinstance(value, list) else [value]
        for value in (
            entry.get(key, []) if isinstance(entry, dict) else []
            for key in (fields.requests, fields.responses)
        )
    ]
    pairs = zip(*found, strict=False)
    return [(a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str)]


def _pick(record: Any, key: str | None, field: str, where: str) -> Any:
    if key is None:
        return record
    if not isinstance(record, dict) or key not in record:
        raise LGVIError(
            f"{where}: no {key!r} (fields.{field}); found {_shape(record)}. "
            f"Set fields.{field} to the name that this file uses"
        )
    return record[key]


def _shape(value: Any) -> str:
    """A short description of a JSON value, for messages."""
    if isinstance(value, dict):
        keys = ", ".join(f"{key} ({type(item).__name__})" for key, item in list(value.items())[:8])
        return f"the keys {keys}" if value else "an empty table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"{value!r:.60}"


def _check(entry: RoviEntry) -> None:
    if entry.problem:
        raise BrokenSample(entry.problem)


def _gap(files: list[Path]) -> int:
    """The step between the frame numbers in file names, in frames; 1 if unknown."""
    numbers = [int(path.stem) for path in files if path.stem.isdecimal()]
    if len(numbers) < max(2, len(files)):
        return 1
    return max(1, int(np.diff(sorted(numbers)).min()))
