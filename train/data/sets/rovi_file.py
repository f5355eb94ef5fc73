"""The split files of ROVI, train.json and test.json: the objects, sentences and conversations.

The file is keyed by video, for instance

    {"<video>": {"objects": {"<object id>": {"expressions": ["remove the man on the left"],
        "requests": ["I only want to keep the dog."], "response": "Sure. {{prompt}} ..."}}}}

or is a list of records, each with its video's name under `fields.video`. `requests` and `response`
are for `train_lgvi_i` and may be missing: as many replies as requests, or one that answers all.
`conversations` may hold longer ones, each a list of [request, reply].
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lgvi_core.errors import LGVIError

from ..sample import Conversation


class RoviFields(BaseModel):
    """Names of the keys in the split file, for files that differ from the default layout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    videos: str | None = Field(
        default=None,
        description="key of the table or list of videos in the file; null: the file is that itself",
    )
    video: str | None = Field(
        default=None, description="key of the video's name in a record, where they are a list"
    )
    entries: str | None = Field(
        default="objects",
        description="key of the table of entries in a video; null: the video itself, or, in a list "
        "of records, each of them is an entry",
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
    conversations: str = Field(
        default="conversations", description="key of longer conversations, where there are any"
    )


@dataclass(frozen=True)
class RoviEntry:
    """One object of one video in the split file."""

    video: str
    object_id: str
    sentences: tuple[str, ...]
    problem: str = ""
    """What is wrong with the record, if anything."""
    conversations: tuple[Conversation, ...] = ()

    @property
    def name(self) -> str:
        """The entry as "video/object id", for messages."""
        return f"{self.video}/{self.object_id}"


@dataclass
class _Found:
    """What the records say of one object; several records of one object are merged."""

    sentences: list[str] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    problem: str = ""


def read_entries(file: Path, fields: RoviFields) -> list[RoviEntry]:
    """Read the objects of a split file.

    A record that the fields do not fit becomes an entry with a `problem`. Raises LGVIError, with
    what was found, if the file cannot be read or names no object, or if the fields do not fit more
    than half of its records.
    """
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{file} cannot be read as JSON: {error}") from error
    videos = _pick(table, fields.videos, "videos", f"{file.name}")
    if not isinstance(videos, dict | list) or not videos:
        raise LGVIError(f"{file.name}: no table or list of videos; found {_shape(videos)}")
    found: dict[tuple[str, str], _Found] = {}
    problems = []
    for video, record, where in _records(videos, fields, file.name):
        try:
            objects = _objects_of(record, fields, where, in_list=isinstance(videos, list))
        except LGVIError as error:
            problems.append(str(error))
            # Not a name that an object can have, so that nothing is merged into it.
            found[video, f"?{len(problems)}"] = _Found(problem=str(error))
            continue
        for identity, one in objects:
            merged = found.setdefault((video, identity), _Found())
            merged.sentences += one.sentences
            merged.conversations += one.conversations
    if 2 * len(problems) > len(videos):
        raise LGVIError(problems[0])
    if not found:
        raise LGVIError(f"{file.name}: its {len(videos)} videos name no object")
    return [
        RoviEntry(*key, tuple(one.sentences), one.problem, tuple(one.conversations))
        for key, one in found.items()
    ]


def _records(
    videos: dict[str, Any] | list[Any], fields: RoviFields, file: str
) -> Iterator[tuple[str, Any, str]]:
    """Each record with its video's name, and its place in the file for messages."""
    if isinstance(videos, dict):
        for video, record in videos.items():
            yield video, record, f"{file}, video {video}"
        return
    if fields.video is None:
        raise LGVIError(
            f"{file}: a list of records needs fields.video, the key of their video's name; the "
            f"first has {_shape(videos[0])}"
        )
    for number, record in enumerate(videos):
        where = f"{file}, record {number}"
        yield str(_pick(record, fields.video, "video", where)), record, where


def _objects_of(
    record: Any, fields: RoviFields, where: str, in_list: bool
) -> list[tuple[str, _Found]]:
    """The ids of a record's objects, each with its sentences and conversations."""
    if in_list and fields.entries is None:
        table: Any = [record]
    else:
        table = _pick(record, fields.entries, "entries", where)
    if isinstance(table, list):
        if fields.object is None:
            raise LGVIError(f"{where}: a list of entries needs fields.object, their id's key")
        table = {str(i): entry for i, entry in enumerate(table)}
    if not isinstance(table, dict):
        raise LGVIError(f"{where}: fields.entries must lead to a table; found {_shape(table)}")
    found = []
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
        found.append((identity, _Found(given, _conversations_of(entry, fields, place))))
    return found


def _conversations_of(entry: Any, fields: RoviFields, place: str) -> list[Conversation]:
    """An entry's conversations: its requests, each with its reply, and longer ones."""
    if not isinstance(entry, dict):
        return []
    requests, replies = (
        value if isinstance(value, list) else [value]
        for value in (entry.get(key, []) for key in (fields.requests, fields.responses))
    )
    if not all(isinstance(text, str) for text in (*requests, *replies)):
        raise LGVIError(f"{place}: fields.requests and fields.responses must lead to text")
    if len(replies) == 1:
        replies = replies * len(requests)
    if replies and len(replies) != len(requests):
        raise LGVIError(
            f"{place}: {len(requests)} requests, but {len(replies)} replies; give one for each "
            "request, or a single one"
        )
    pairs = zip(requests, replies, strict=False)  # without any reply there is no conversation
    found: list[Conversation] = [((request, reply),) for request, reply in pairs]
    return found + read_conversations(entry.get(fields.conversations, []), place)


def read_conversations(values: Any, place: str) -> list[Conversation]:
    """Read a JSON list of conversations, each a list of [request, reply].

    Raises LGVIError that names `place` if it is anything else.
    """
    found: list[Conversation] = []
    for talk in values if isinstance(values, list) else [values]:
        if not isinstance(talk, list) or not talk or not all(map(_is_turn, talk)):
            raise LGVIError(
                f"{place}: a conversation is a list of [request, reply]; found {_shape(talk)}"
            )
        found.append(tuple((request, reply) for request, reply in talk))
    return found


def _is_turn(value: Any) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and all(isinstance(text, str) for text in value)


def _pick(record: Any, key: str | None, name: str, where: str) -> Any:
    if key is None:
        return record
    if not isinstance(record, dict) or key not in record:
        raise LGVIError(
            f"{where}: no {key!r} (fields.{name}); found {_shape(record)}. "
            f"Set fields.{name} to the name that this file uses"
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
