"""ROVI as released: the paper's data set of videos.

    ROOT/
        JPEGImages/<video>/*.jpg               source frames
        Annotations/<video>/*.png              indexed PNG: a pixel's value is its object's id
        InpaintImages/<video>/<object id>/*    frames without that object, used as target
        train.json, test.json                  sentences, by video

Files of the three folders are matched by sorted order, so the folders must hold equally many.
`rovi_file` describes the split files, and `RoviFields` maps other names in them. There may be one
sentence or many; the one that is used gets "remove" in front if it only names the object (see
`as_request`). File names that are numbers (00000, 00005, ...) are frame numbers of the original
video, and `stride` counts its frames.
"""

from pathlib import Path

import numpy as np

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
from .as_request import as_request
from .rovi_file import RoviEntry, RoviFields, read_entries

FRAMES_FOLDER, MASKS_FOLDER, TARGETS_FOLDER = "JPEGImages", "Annotations", "InpaintImages"
MAX_AREA = 0.25  # share of a frame's area above which the paper drops an object
_TRIES = 50  # objects in a row that may be too large before a sample counts as broken


class TooLarge(BrokenSample):
    """Raised for an object that covers too much of a frame to be trained on."""


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

    def conversations(self) -> int | None:
        """See `Reader.conversations`."""
        return sum(bool(entry.conversations) for entry in self.entries)

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
        sentences = tuple(map(as_request, entry.sentences))
        sentence = sentences[rng.integers(len(sentences))]
        talks = entry.conversations
        return Sample(
            source,
            target,
            mask,
            sentence,
            entry.name,
            turns=talks[rng.integers(len(talks))] if talks else (),
            sentences=sentences,
            conversations=talks,
        )


def _check(entry: RoviEntry) -> None:
    if entry.problem:
        raise BrokenSample(entry.problem)


def _gap(files: list[Path]) -> int:
    """The step between the frame numbers in file names, in frames; 1 if unknown."""
    numbers = [int(path.stem) for path in files if path.stem.isdecimal()]
    if len(numbers) < max(2, len(files)):
        return 1
    return max(1, int(np.diff(sorted(numbers)).min()))
