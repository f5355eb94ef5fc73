"""Sentences that ask for a removal, in several kinds of expression.

Objects are named by noun, colour, place, size or motion; a sentence may also name two objects,
everything, or an object that is absent. It is never ambiguous: a description is used only if
exactly the removed objects fit it among those present.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from ..drawn.scenes import MOVES, SIZE_RATIO, STILL, TWINS_APART, SceneObject
from ..drawn.sprites import COLOURS, NOUNS

Emphasis = Mapping[str, float]
"""Factors by which kinds of expressions become more frequent; a kind that is left out has 1.

The factor "pairs" is that of showing two of three objects, and divides that of showing one of two;
"two objects" is also that of removing several of three objects.
"""

_OF_ONE_FRAME: Emphasis = MappingProxyType(
    {"colour and name": 0.4, "colour": 2, "name and place": 0.6, "place": 5}
)
_VERBS = ("remove", "remove", "remove", "delete", "erase", "take away")
_ANY = ("object", "thing")
_PLACES = (
    ("on the left", 0, 1),
    ("on the right", 0, -1),
    ("at the top", 1, 1),
    ("at the bottom", 1, -1),
)
PLACE_WORDS = tuple(words for words, _, _ in _PLACES)
SIZE_WORDS = ("big", "small")
MOTION_WORDS = ("moving", "still")


@dataclass(frozen=True)
class Request:
    """A sentence, the indices of the objects that it removes, and its kind of expression."""

    sentence: str
    removed: tuple[int, ...]
    kind: str


class Located(Protocol):
    """What words of place, size and motion are about."""

    @property
    def path(self) -> np.ndarray: ...
    @property
    def diameter(self) -> float: ...
    @property
    def travel(self) -> float: ...


def plural(noun: str) -> str:
    """Return the plural of a drawn object's noun."""
    return {"box": "boxes", "fish": "fish"}.get(noun, noun + "s")


def sample_pair(
    rng: np.random.Generator,
    count: int,
    all_present: bool = False,
    emphasis: Emphasis = MappingProxyType({}),
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draw which of `count` objects the source shows, and which of those to remove, maybe none."""
    present = list(range(count))
    pairs = emphasis.get("pairs", 1)
    drop = 0.25 * (pairs if count > 2 else 1 / pairs)
    if not all_present and count > 1 and rng.random() < drop:
        present.remove(int(rng.integers(count)))
    draw = rng.random()
    nothing = 0.1 * emphasis.get("absent", 1)
    several = 0.17 * (emphasis.get("two objects", 1) if len(present) > 2 else 1)
    if draw < nothing:
        removed: list[int] = []
    elif draw < nothing + several and len(present) > 1:
        size = 2 if rng.random() < 0.75 else len(present)
        removed = [int(i) for i in rng.permutation(present)[:size]]
    else:
        removed = [int(rng.choice(present))]
    return tuple(present), tuple(sorted(removed))


def describe_removal(
    rng: np.random.Generator,
    objects: Sequence[SceneObject],
    present: Sequence[int],
    removed: Sequence[int],
    nouns: Sequence[str] = NOUNS,
    emphasis: Emphasis = MappingProxyType({}),
) -> Request:
    """Write a sentence that removes exactly `removed`.

    Where no unambiguous description of an object exists, everything is removed instead, and the
    returned `Request.removed` says so. `nouns` are those that an absent object may have.
    """
    verb = _VERBS[rng.integers(len(_VERBS))]
    ending = "." if rng.random() < 0.15 else ""
    if not removed:
        phrase, kind = "the " + _absent(rng, [objects[i] for i in present], nouns), "absent"
    elif len(removed) == len(present) > 1 or (
        len(removed) == 1 == len(present) and rng.random() < 0.15
    ):
        phrase, kind = _whole(rng, [objects[i] for i in present])
    else:
        parts = [_describe(rng, objects, present, i, emphasis) for i in rng.permutation(removed)]
        if any(part is None for part in parts):
            phrase, kind = "everything", "everything"
            removed = present
        else:
            found = [part for part in parts if part is not None]
            phrase = " and ".join("the " + words for words, _ in found)
            kind = found[0][1] if len(found) == 1 else "two objects"
            if len(found) == 2 and (both := _pair(rng, objects, present, removed)):
                phrase, kind = both, "two objects"
    return Request(f"{verb} {phrase}{ending}", tuple(sorted(removed)), kind)


def _whole(rng: np.random.Generator, objects: Sequence[SceneObject]) -> tuple[str, str]:
    if len({o.noun for o in objects}) == 1 and len(objects) == 2 and rng.random() < 0.4:
        return f"both {plural(objects[0].noun)}", "two objects"
    return str(
        rng.choice(["everything", "everything", "all objects", "all the objects"])
    ), "everything"


def _pair(
    rng: np.random.Generator,
    objects: Sequence[SceneObject],
    present: Sequence[int],
    removed: Sequence[int],
) -> str | None:
    """Return words such as "both red balls" if the two objects removed are all that fit them.

    None where they are not, and at random in some of the other cases.
    """
    one, other = (objects[i] for i in removed)
    if one.noun != other.noun or rng.random() < 0.4:
        return None
    alike = [i for i in present if objects[i].noun == one.noun]
    if len(alike) == 2:
        return f"both {plural(one.noun)}"
    if one.colour == other.colour and sum(objects[i].colour == one.colour for i in alike) == 2:
        return f"both {one.colour} {plural(one.noun)}"
    return None


def _describe(
    rng: np.random.Generator,
    objects: Sequence[SceneObject],
    present: Sequence[int],
    index: int,
    emphasis: Emphasis,
) -> tuple[str, str] | None:
    """Return words that fit only object `index` among those present, and their kind, or None."""
    any_noun = str(rng.choice(_ANY))
    others = [objects[i] for i in present if i != index]
    return _pick(rng, _choices(objects[index], others, any_noun), emphasis)


def _pick(
    rng: np.random.Generator, choices: Sequence[tuple[str, str, float]], emphasis: Emphasis
) -> tuple[str, str] | None:
    """Draw one of the `_choices` by weight; None where there are none."""
    if not choices:
        return None
    weights = np.array([weight * emphasis.get(kind, 1) for _, kind, weight in choices])
    words, kind, _ = choices[rng.choice(len(choices), p=weights / weights.sum())]
    return words, kind


def _choices(
    thing: SceneObject, others: Sequence[SceneObject], any_noun: str
) -> list[tuple[str, str, float]]:
    """Return (words, kind, weight) of every description that fits `thing` and no other object."""
    named = [o for o in others if o.noun == thing.noun]
    twins = [o for o in named if o.colour == thing.colour]
    coloured = [o for o in others if o.colour == thing.colour]
    choices: list[tuple[str, str, float]] = []
    if not twins:
        choices.append((f"{thing.colour} {thing.noun}", "colour and name", 3.0))
    if not named:
        choices.append((thing.noun, "name", 2.0))
    if not coloured:
        choices.append((f"{thing.colour} {any_noun}", "colour", 0.7))
    for words, group, kind, weight in (
        (thing.noun, named, "name and place", 3.5),
        (f"{thing.colour} {thing.noun}", twins, "name and place", 3.0),
        (any_noun, others, "place", 0.5),
    ):
        if group:
            for place in place_words(thing, group):
                choices.append((f"{words} {place}", kind, weight))
            if size := size_word(thing, group):
                choices.append((f"{size} {words}", "size", weight))
            if motion := motion_word(thing, group):
                choices.append((f"{motion} {words}", "motion", weight))
    return choices


def describe_object(
    objects: Sequence[SceneObject], index: int, rng: np.random.Generator | None = None
) -> str | None:
    """Return words, without an article, that fit only object `index`; None where there are none.

    They never describe motion, which single frames do not show. With an `rng` they are drawn at
    random. Without one they are always the same: colour and noun, and where these fit several
    objects, also the clearest place or else the size.
    """
    thing, others = objects[index], [o for i, o in enumerate(objects) if i != index]
    if rng is not None:
        choices = _choices(thing, others, str(rng.choice(_ANY)))
        found = _pick(rng, [c for c in choices if c[1] != "motion"], _OF_ONE_FRAME)
        return None if found is None else found[0]
    name = f"{thing.colour} {thing.noun}"
    twins = [o for o in others if (o.noun, o.colour) == (thing.noun, thing.colour)]
    if not twins:
        return name
    if place := clearest_place(thing, twins):
        return f"{name} {place}"
    size = size_word(thing, twins)
    return None if size is None else f"{size} {name}"


def absent_object(
    rng: np.random.Generator, objects: Sequence[SceneObject], nouns: Sequence[str] = NOUNS
) -> str:
    """Return words for an object not among `objects`, often only one word away from one of them."""
    if objects:
        return _absent(rng, objects, nouns)
    noun = str(rng.choice(nouns))
    return noun if rng.random() < 0.5 else f"{rng.choice(list(COLOURS))} {noun}"


def place_words(thing: Located, others: Sequence[Located], apart: float = TWINS_APART) -> list[str]:
    """Return the words of place that single out `thing` in every frame.

    `apart` is the least distance from the others along that direction, in frame heights.
    """
    return [words for words, gap in _place_gaps(thing, others).items() if gap >= apart]


def clearest_place(thing: Located, others: Sequence[Located]) -> str | None:
    """Return the words of place that hold by the widest gap; None where no `place_words` do."""
    gaps = _place_gaps(thing, others)
    words = max(gaps, key=gaps.__getitem__)
    return words if gaps[words] >= TWINS_APART else None


def _place_gaps(thing: Located, others: Sequence[Located]) -> dict[str, float]:
    """Return how far `thing` is ahead of all others in each direction, in the worst frame."""
    return {
        words: min(float((sign * (o.path[:, axis] - thing.path[:, axis])).min()) for o in others)
        for words, axis, sign in _PLACES
    }


def size_word(thing: Located, others: Sequence[Located], ratio: float = SIZE_RATIO) -> str | None:
    """Return "big" or "small" if all others are smaller or larger by at least `ratio`."""
    if all(thing.diameter >= ratio * o.diameter for o in others):
        return "big"
    if all(ratio * thing.diameter <= o.diameter for o in others):
        return "small"
    return None


def motion_word(thing: Located, others: Sequence[Located]) -> str | None:
    """Return "moving" or "still" if all others do the opposite; None in a single frame."""
    if thing.travel >= MOVES and all(o.travel <= STILL for o in others):
        return "moving"
    if thing.travel <= STILL and all(o.travel >= MOVES for o in others):
        return "still"
    return None


def _absent(
    rng: np.random.Generator, objects: Sequence[SceneObject], all_nouns: Sequence[str]
) -> str:
    """Return words for an absent object; about half differ from a present one by one word."""
    nouns = {o.noun for o in objects}
    kinds = {(o.noun, o.colour) for o in objects}
    near = objects[int(rng.integers(len(objects)))]
    while True:
        noun, colour = str(rng.choice(all_nouns)), str(rng.choice(list(COLOURS)))
        draw = rng.random()
        if draw < 0.35:
            noun = near.noun
        elif draw < 0.55:
            colour = near.colour
        elif draw < 0.75 and noun not in nouns:
            return noun
        if (noun, colour) not in kinds:
            return f"{colour} {noun}"
