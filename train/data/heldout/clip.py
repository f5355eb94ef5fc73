"""A clip of the held-out set before it is rendered: a scene or footage, and what is asked."""

from dataclasses import dataclass

from .scene import Scene


@dataclass(frozen=True)
class Request:
    """A sentence, the indices of the things it asks to remove, and its kind."""

    sentence: str
    removed: tuple[int, ...]
    kind: str = ""


@dataclass(frozen=True)
class Footage:
    """Frames of real footage that nothing was put into."""

    name: str
    start: int
    step: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Clip:
    """A clip with its request. `strata` name the groups of figures that it counts for.

    `pair_of` is the name of the clip with the canonical sentence about the same scene. `asked` are
    the turns of a conversation, whose last one asks for what `request` says.
    """

    name: str
    source: Scene | Footage
    request: Request
    strata: tuple[str, ...]
    pair_of: str = ""
    asked: tuple[str, ...] = ()
