"""Videos of one's own: a folder, in which each clip has a JSON file.

    ROOT/
        park.json
        park.mp4            a video, or a folder of pictures in the order of their names
        park-ball.png       a mask for one frame: what is not black is the object

    {"video": "park.mp4", "split": "train",
     "objects": [{"id": 1, "expressions": ["the red ball"], "category": "ball",
                  "masks": {"0": "park-ball.png"}}]}

An object without `masks` is known by its words alone. `frame` numbers count the video's frames from
0. `split` and `category` may be missing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lgvi_core.errors import LGVIError

from ...data.pictures import SUFFIXES
from ..errors import BrokenClip
from .raw import RawClip, RawMask, check_name, existing, shown, sound_objects


def plain_clips(source: str, root: Path) -> Iterator[RawClip]:
    """Every JSON file of a folder as a clip, in the order of their names.

    Raises LGVIError where there is none.
    """
    files = sorted(root.glob("*.json")) if root.is_dir() else []
    if not files:
        raise LGVIError(f"{root}: holds no JSON files, one for each clip; see train/README.md")
    for file in files:
        name = shown(file.stem)
        try:
            check_name(file.name)
            yield _read(source, name, file)
        except BrokenClip as error:
            yield RawClip(source, name, problem=str(error))


def _read(source: str, name: str, file: Path) -> RawClip:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenClip(f"{file.name} cannot be read as JSON: {error}") from None
    if not isinstance(table, dict) or not isinstance(table.get("video"), str):
        raise BrokenClip(f"{file.name} names no `video`")
    records = table.get("objects")
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise BrokenClip(f"{file.name}: `objects` must be a list of tables")
    objects, notes = sound_objects([_object(record) for record in records])
    known = {thing.id for thing in objects}
    masks = [
        mask
        for record in records
        if str(record.get("id")).isdecimal() and int(record["id"]) in known
        for mask in _masks(record, file)
    ]
    video = Path(existing(file.parent / table["video"]))
    split = str(table.get("split") or "")
    return RawClip(source, name, frame_files(video), objects, tuple(masks), split, notes=notes)


def _object(record: dict[str, Any]) -> tuple[object, list[object], str]:
    given = record.get("expressions", [])
    given = [given] if isinstance(given, str) else given
    sentences = given if isinstance(given, list) else []
    return record.get("id"), sentences, str(record.get("category") or "")


def _masks(record: dict[str, Any], file: Path) -> Iterator[RawMask]:
    table = record.get("masks", {})
    if not isinstance(table, dict) or not all(str(n).isdecimal() for n in table):
        raise BrokenClip(f"{file.name}: `masks` must be a table from frame numbers to files")
    for number, mask in sorted(table.items(), key=lambda item: int(item[0])):
        path = existing(file.parent / str(mask))
        yield RawMask(int(number), path, "object", int(record["id"]))


def frame_files(video: Path) -> tuple[str, ...]:
    """The pictures of a folder in the order of their names, or the video file itself."""
    if not video.is_dir():
        return (str(video),)
    files = sorted(path for path in video.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise BrokenClip(f"{shown(video)} holds no pictures")
    for path in files:
        check_name(path.name)
    return tuple(map(str, files))
