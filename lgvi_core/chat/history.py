"""Turns of a conversation as JSON text, so that they can be shown, saved and given back."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import LGVIError
from .conversation import Turn

MAX_TURNS = 100
MAX_CHARACTERS = 100_000
"""Greatest length of a request, and of a reply, that is read."""


class _SavedTurn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    request: str = Field(max_length=MAX_CHARACTERS)
    reply: str = Field(max_length=MAX_CHARACTERS)


_TURNS = TypeAdapter(list[_SavedTurn])


def check_turns(count: int) -> None:
    """Raise LGVIError for a conversation of more than MAX_TURNS turns."""
    if count > MAX_TURNS:
        raise LGVIError(
            f"history has {count} turns, at most {MAX_TURNS} are read: start anew without it"
        )


def write_history(turns: Sequence[Turn]) -> str:
    """Return the turns as JSON: a list of objects with `request` and `reply`, the oldest first.

    Raises LGVIError as `check_turns`, because the text could not be read again.
    """
    check_turns(len(turns))
    return json.dumps([asdict(turn) for turn in turns], ensure_ascii=False, indent=1)


def read_history(text: str) -> tuple[Turn, ...]:
    """Parse what `write_history` wrote; an empty text has no turns.

    Raises LGVIError for any other text, and for more than MAX_TURNS turns.
    """
    if not text.strip():
        return ()
    try:
        turns = _TURNS.validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the text"
        raise LGVIError(
            f"history is not one of LGVI Chat ({where}: {problem['msg']}): connect the history "
            "output of an LGVI Chat node, or leave it open"
        ) from error
    check_turns(len(turns))
    return tuple(Turn(turn.request, turn.reply) for turn in turns)
