"""Refer-YouTube-VOS as published.

ROOT/
    <split>/JPEGImages/<video>/<frame>.jpg
    <split>/Annotations/<video>/<frame>.png           a pixel's value is its object's id
    <split>/meta.json                                 categories; optional
    meta_expressions/<split>/meta_expressions.json    {"videos": {"<video>": {
        "frames": ["00000", "00005"], "expressions": {"0": {"exp": "...", "obj_id": "1"}}}}}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lgvi_core.errors import LGVIError

from ..errors import BrokenClip
from .raw import RawClip, RawMask, existing, sound_objects


def refer_youtube_vos_clips(source: str, root: Path, split: str) -> Iterator[RawClip]:
    """The videos that the expressions name, in the order of their names.

    Raises LGVIError where the folder has another layout.
    """
    table = _read(root / "meta_expressions" / split / "meta_expressions.json")
    meta = root / split / "meta.json"
    about = _read(meta).get("videos", {}) if meta.is_file() else {}
    videos = table.get("videos")
    if not isinstance(videos, dict) or not videos:
        raise LGVIError(f"{root}: its expressions name no `videos`")
    for video in sorted(videos):
        try:
            yield _clip(source, root / split, video, videos[video], about.get(video, {}), split)
        except BrokenClip as error:
            yield RawClip(source, video, problem=str(error))


def _clip(source: str, folder: Path, video: str, record: Any, about: Any, split: str) -> RawClip:
    if not isinstance(record, dict) or not isinstance(record.get("expressions"), dict):
        raise BrokenClip("its record has no table `expressions`")
    sentences: dict[str, list[object]] = {}
    for entry in record["expressions"].values():
        if "obj_id" not in entry:
            raise BrokenClip("its expressions name no `obj_id`; the published train split does")
        sentences.setdefault(str(entry["obj_id"]), []).append(entry.get("exp"))
    categories = about.get("objects", {}) if isinstance(about, dict) else {}
    objects, notes = sound_objects(
        [
            (identity, words, str(categories.get(identity, {}).get("category", "")))
            for identity, words in sentences.items()
        ]
    )
    names = record.get("frames") or []
    if not names:
        raise BrokenClip("its record names no `frames`")
    frames = tuple(existing(folder / "JPEGImages" / video / f"{name}.jpg") for name in names)
    found = [folder / "Annotations" / video / f"{name}.png" for name in names]
    masks = tuple(RawMask(i, str(path)) for i, path in enumerate(found) if path.is_file())
    if not masks:
        raise BrokenClip(f"{folder / 'Annotations' / video} holds no masks of its frames")
    ours = "train" if split == "train" else "test"
    return RawClip(source, video, frames, objects, masks, ours, notes=notes)


def _read(file: Path) -> dict[str, Any]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{file} cannot be read: {error}") from None
    if not isinstance(table, dict):
        raise LGVIError(f"{file} must hold a table")
    return table
