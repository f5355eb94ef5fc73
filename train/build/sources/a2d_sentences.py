"""A2D-Sentences as published: masks on three to five frames of each clip.

ROOT/
    Release/videoset.csv                 video, label, start, end, height, width, frames,
                                         annotated frames, use (0 train, 1 test); no heading
    Release/clips320H/<video>.mp4
    a2d_annotation.txt                   video_id,instance_id,query
    a2d_annotation_with_instances/<video>/<frame>.h5
                                         `instance` [n] ids, `reMask` [n, w, h] or, of one
                                         object, [w, h]; frames are counted from 1
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgvi_core.errors import LGVIError

from ..errors import BrokenClip
from .raw import RawClip, RawMask, existing, sound_objects

MASKS = "a2d_annotation_with_instances"


def a2d_clips(source: str, root: Path) -> Iterator[RawClip]:
    """The videos that the sentences name, in the order of their names.

    Raises LGVIError where the folder has another layout.
    """
    sentences = _sentences(root / "a2d_annotation.txt")
    uses = _uses(root / "Release" / "videoset.csv")
    for video in sorted(sentences):
        try:
            yield _clip(source, root, video, sentences[video], uses)
        except BrokenClip as error:
            yield RawClip(source, video, problem=str(error))


def read_instances(file: Path) -> dict[int, np.ndarray]:
    """The masks bool [h, w] of an HDF5 file of A2D, by instance. Raises BrokenClip."""
    try:
        import h5py
    except ImportError as error:
        raise LGVIError("A2D's masks need the package h5py: `pip install h5py`") from error
    try:
        with h5py.File(file, "r") as content:
            ids = np.asarray(content["instance"]).reshape(-1).astype(int)
            masks = np.asarray(content["reMask"])
    except (OSError, KeyError) as error:
        raise BrokenClip(f"{file}: cannot be read as masks of A2D: {error}") from None
    masks = masks[None] if masks.ndim == 2 else masks
    if len(masks) != len(ids):
        raise BrokenClip(f"{file}: has {len(masks)} masks of {len(ids)} instances")
    return {int(i): mask.T > 0 for i, mask in zip(ids, masks, strict=True)}


def _clip(
    source: str, root: Path, video: str, sentences: dict[str, list[object]], uses: dict[str, str]
) -> RawClip:
    if video not in uses:
        raise BrokenClip("videoset.csv does not list it")
    # A2D counts instances from 0; 0 is the background in the masks that are made of them.
    found = [(int(i) + 1 if i.isdecimal() else i, words, "") for i, words in sentences.items()]
    objects, notes = sound_objects(list(found))
    file = existing(root / "Release" / "clips320H" / f"{video}.mp4")
    annotated = sorted((root / MASKS / video).glob("*.h5"))
    masks = [
        RawMask(int(path.stem) - 1, str(path), "a2d") for path in annotated if path.stem.isdecimal()
    ]
    if not masks:
        raise BrokenClip(f"{root / MASKS / video} holds no masks")
    return RawClip(source, video, (file,), objects, tuple(masks), uses[video], notes=notes)


def _sentences(file: Path) -> dict[str, dict[str, list[object]]]:
    table: dict[str, dict[str, list[object]]] = {}
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                words = table.setdefault(row["video_id"], {})
                words.setdefault(row["instance_id"].strip(), []).append(row["query"])
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise LGVIError(f"{file} is not A2D-Sentences' list of sentences: {error}") from None
    if not table:
        raise LGVIError(f"{file} holds no sentences")
    return table


def _uses(file: Path) -> dict[str, str]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return {row[0]: "test" if row[8] == "1" else "train" for row in csv.reader(stream)}
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise LGVIError(f"{file} is not A2D's list of videos: {error}") from None
