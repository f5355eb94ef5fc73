"""What a source says of a clip, before any of its pictures is read."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BrokenClip


@dataclass(frozen=True)
class RawObject:
    """An object: its `id` from 1 to 255, its sentences, and its category where that is known."""

    id: int
    expressions: tuple[str, ...]
    category: str = ""


@dataclass(frozen=True)
class RawMask:
    """A given mask: `file` for frame `frame` of the clip, counted from 0, as taken or in the video.

    `kind` says how it is stored: "indexed" (a pixel is its object's id), "object" (anything but
    black is the object `id`), "a2d" (an HDF5 file of A2D).
    """

    frame: int
    file: str
    kind: str = "indexed"
    id: int = 0


@dataclass(frozen=True)
class RawClip:
    """One clip of a source. `problem` is set where it cannot be used, and then counts alone."""

    source: str
    name: str
    frames: tuple[str, ...] = ()
    """Files of its frames, in order; or one file of a video."""
    objects: tuple[RawObject, ...] = ()
    masks: tuple[RawMask, ...] = ()
    split: str = ""
    problem: str = ""
    notes: tuple[str, ...] = field(default=())
    """What was left out of it already, and why."""


def sound_objects(
    found: list[tuple[object, list[object], str]],
) -> tuple[tuple[RawObject, ...], tuple[str, ...]]:
    """The objects that can be used, and why others cannot, from (id, sentences, category).

    An id that two objects claim names neither of them. Raises BrokenClip where none is left.
    """
    notes, objects = [], []
    counts = Counter(str(identity) for identity, *_ in found)
    for identity, sentences, category in found:
        words = [" ".join(s.split()) for s in sentences if isinstance(s, str) and s.strip()]
        if counts[str(identity)] > 1:
            notes.append(f"object {identity}: {counts[str(identity)]} objects have this id")
        elif not str(identity).isdecimal() or not 0 < int(str(identity)) < 256:
            notes.append(f"object {identity!r}: an id is a number from 1 to 255")
        elif not words:
            notes.append(f"object {identity}: no sentence names it")
        else:
            objects.append(RawObject(int(str(identity)), tuple(dict.fromkeys(words)), category))
    notes = list(dict.fromkeys(notes))
    if not objects:
        raise BrokenClip("; ".join(notes) or "names no object")
    return tuple(sorted(objects, key=lambda o: o.id)), tuple(notes)


def shown(path: object) -> str:
    """A path as text that can be written anywhere, whatever bytes its name has."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def check_name(name: str) -> None:
    """Raise BrokenClip for a file name that is not UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise BrokenClip("its file name is not UTF-8: rename it") from None


def existing(path: Path) -> str:
    """The path as text. Raises BrokenClip where the file is missing."""
    if not path.exists():
        raise BrokenClip(f"{shown(path)} is missing")
    return str(path)
