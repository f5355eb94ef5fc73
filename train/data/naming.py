"""Which of several things words name; for requests and replies in words of any origin."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

COLOUR_NAMES = (
    "red", "orange", "yellow", "green", "blue", "purple", "white", "black", "pink", "brown", "grey",
)  # fmt: skip
"""Words that say nothing but a colour."""
NEAR = 0.06  # difference of places, in shares of the frame, below which nobody can tell them apart
SIZE_RATIO = 1.2  # of sizes, likewise
_ANYTHING = {"object", "objects", "thing", "things", "one", "ones", "item", "items"}
_ALL = {"all", "every", "everything", "both", "each", "rest"}
_PLACES = {
    "left": (-1, 0), "leftmost": (-1, 0), "right": (1, 0), "rightmost": (1, 0),
    "top": (0, -1), "topmost": (0, -1), "upper": (0, -1), "highest": (0, -1),
    "bottom": (0, 1), "lower": (0, 1), "lowest": (0, 1),
}  # fmt: skip
_SIZES = {
    "big": 1, "bigger": 1, "biggest": 1, "large": 1, "larger": 1, "largest": 1,
    "small": -1, "smaller": -1, "smallest": -1, "little": -1, "tiny": -1, "tiniest": -1,
}  # fmt: skip
_MOTION = {"moving": True, "moves": True, "still": False, "static": False, "motionless": False}
_EMPTY = {
    "the", "a", "an", "that", "this", "these", "those", "which", "is", "are", "of", "in", "from",
    "on", "at", "to", "side", "please", "remove", "delete", "erase", "other", "two", "three",
    "four", "video", "clip", "frame", "picture", "image", "scene", "coloured", "colored",
}  # fmt: skip
_EXCEPT = re.compile(r"\b(?:except(?: for)?|but|apart from|other than)\b")


@dataclass(frozen=True)
class Described:
    """A thing that a picture shows, as far as words can tell it from others.

    `names` are the words for it in the singular, `plurals` those for several. `colour` is None
    where it has several. `x` and `y` are its centre in the first frame, in shares of width and
    height; `size` is its longer side in frame heights.
    """

    names: tuple[str, ...]
    plurals: tuple[str, ...]
    colour: str | None
    size: float
    x: float
    y: float
    moves: bool


def things_named(
    words: str, things: Sequence[Described], colours: Sequence[str] = COLOUR_NAMES
) -> tuple[int, ...] | None:
    """The indices of the things that `words` ("the red ball and the star") name, in rising order.

    None where a part fits none of the things, or fits several and none of them best, or has a word
    that is not understood. `colours` are all names of colours.
    """
    words = re.sub(r"[^a-z\s,-]", " ", words.lower())
    parts = _EXCEPT.split(words)
    if len(parts) > 2:
        return None
    chosen = _joined(parts[0], things, colours)
    if chosen is None or len(parts) == 1:
        return None if chosen is None else tuple(sorted(chosen))
    of_these = sorted(chosen)  # "the red one" is one of them
    kept = _joined(parts[1], [things[i] for i in of_these], colours)
    return None if kept is None else tuple(sorted(chosen - {of_these[i] for i in kept}))


def _joined(words: str, things: Sequence[Described], colours: Sequence[str]) -> set[int] | None:
    found: set[int] = set()
    for phrase in re.split(r",|\band\b", words):
        if phrase.strip():
            part = _phrase(phrase, things, colours)
            if part is None:
                return None
            found |= part
    return found or None


def _phrase(phrase: str, things: Sequence[Described], colours: Sequence[str]) -> set[int] | None:
    """The things that one phrase names."""
    left = list(range(len(things)))
    several = False
    for names in ("names", "plurals"):
        for name in sorted({n for thing in things for n in getattr(thing, names)}, key=len)[::-1]:
            if re.search(rf"\b{name}\b", phrase):
                phrase = re.sub(rf"\b{name}\b", " ", phrase)
                left = [i for i in left if name in getattr(things[i], names)]
                several |= names == "plurals"
    words = phrase.split()
    understood = {*_ANYTHING, *_ALL, *_PLACES, *_SIZES, *_MOTION, *_EMPTY, *colours}
    if not {*words} <= understood:
        return None
    for word in words:
        if word in colours:
            left = [i for i in left if things[i].colour == word]
        elif word in _MOTION:
            left = [i for i in left if things[i].moves == _MOTION[word]]
    if not left:
        return None
    if several or {*words} & {*_ALL, "objects", "things", "ones", "items"}:
        return {*left}
    return _one(words, left, things)


def _one(words: Sequence[str], left: list[int], things: Sequence[Described]) -> set[int] | None:
    """The one of the things `left` that sizes and places among the `words` fit best."""
    for word in words:
        if word in _SIZES and len(left) > 1:
            left.sort(key=lambda i: -_SIZES[word] * things[i].size)
            sizes = sorted([things[left[0]].size, things[left[1]].size])
            if sizes[1] < SIZE_RATIO * sizes[0]:
                return None
            left = left[:1]
    steps = [_PLACES[word] for word in words if word in _PLACES]

    def reach(i: int) -> float:
        return sum(dx * (things[i].x - 0.5) + dy * (things[i].y - 0.5) for dx, dy in steps)

    if steps:
        left.sort(key=reach, reverse=True)
        # A single thing may be called "on the left" unless it is plainly on the right.
        near = len(left) > 1 and reach(left[0]) - reach(left[1]) < NEAR
        if near or reach(left[0]) < -0.15:
            return None
        left = left[:1]
    return {*left} if len(left) == 1 else None
