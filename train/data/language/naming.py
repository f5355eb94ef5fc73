"""Words for the things of a collage that fit exactly one of them, or exactly a group."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..collage.scenes import Thing
from ..collage.vocabulary import vocabulary
from . import wording
from .expressions import motion_word, place_words, size_word

FAINT = 0.08  # share of a thing up to which nobody sees it
SEEN = 0.3  # share from which it may be spoken of
EXTREME_APART = 0.12  # least distance that makes a thing the leftmost
LARGEST_RATIO = 1.3  # least ratio of diameters that makes a thing the largest
BESIDE_RATIO = 1.7  # how much nearer than its like a thing is that stands next to another
BESIDE = 0.45  # greatest distance of things that stand next to each other


@dataclass(frozen=True)
class View:
    """What the chosen frames of a collage show, and what may be asked about it."""

    things: Sequence[Thing]
    """All things of the collage, with the chosen frames alone."""
    shares: np.ndarray
    """The share of each that can be seen, in the frame that shows most of it, [n]."""
    background: Sequence[str]
    """Nouns that the background shows."""

    def seen(self, present: Collection[int]) -> list[int]:
        """Those that may be spoken of."""
        return [i for i in present if self.shares[i] >= SEEN]

    def doubtful(self, present: Collection[int]) -> list[int]:
        """Those that can hardly be seen."""
        return [i for i in present if FAINT < self.shares[i] < SEEN]


def group_words(
    rng: np.random.Generator, view: View, seen: list[int]
) -> tuple[str, tuple[int, ...]] | None:
    """Words for all things of one noun or colour, at least two; None where there are none."""
    things = view.things
    index = seen[int(rng.integers(len(seen)))]
    thing, draw = things[index], rng.random()
    noun = vocabulary().nouns[thing.noun]
    alike = [i for i in seen if things[i].noun == thing.noun]
    if draw < 0.55 or thing.colour is None:
        words = noun.plural
    else:
        if any(things[i].colour is None for i in seen):
            return None
        same = [i for i in seen if things[i].colour == thing.colour]
        by_noun = draw < 0.8
        alike = [i for i in same if i in alike] if by_noun else same
        words = f"{colour_word(rng, thing)} {noun.plural if by_noun else 'things'}"
    if len(alike) < 2:
        return None
    forms = ["all {}", "all the {}", "all of the {}", "the {}"]
    if len(alike) == 2:
        forms += ["both {}", "both {}", "the two {}"]
    elif words == noun.plural:
        return wording.pick(rng, (*forms, "every " + noun.name)).format(words), tuple(alike)
    return wording.pick(rng, tuple(forms)).format(words), tuple(alike)


def any_single(rng: np.random.Generator, view: View, seen: list[int], index: int) -> str | None:
    """Words for one thing, of a kind that is possible."""
    for kind in ("name", "colour and name", "name and place", "extreme", "superlative"):
        if rng.random() < 0.75:
            words = single(rng, view, seen, index, kind)
            if words is not None:
                return words
    return None


def single(
    rng: np.random.Generator, view: View, seen: list[int], index: int, kind: str
) -> str | None:
    """Words of a kind, without an article, that fit only thing `index`; None if there are none."""
    thing = view.things[index]
    others = [view.things[i] for i in seen if i != index]
    named = [o for o in others if o.noun == thing.noun]
    twins = [o for o in named if o.colour in (thing.colour, None)]
    noun = noun_word(rng, thing)
    if kind == "name":
        return None if named else noun
    if kind in ("colour and name", "colour"):
        if thing.colour is None:
            return None
        if kind == "colour and name":
            return None if twins else f"{colour_word(rng, thing)} {noun}"
        like = [o for o in others if o.colour in (thing.colour, None)]
        return None if like else f"{colour_word(rng, thing)} {wording.pick(rng, wording.ANY_NOUN)}"
    if kind in ("beside", "relative"):
        return _by_another(rng, thing, others, named, noun, kind)
    # Place, size and motion: among those of its noun, of its noun and colour, or among all.
    words, group = noun, named
    draw = rng.random()
    if kind == "place" or draw < 0.15:
        words, group = wording.pick(rng, wording.ANY_NOUN), others
    elif draw < 0.4 and thing.colour is not None:
        words, group = f"{colour_word(rng, thing)} {noun}", twins
    return _compared(rng, thing, group, words, kind) if group else None


def _compared(
    rng: np.random.Generator, thing: Thing, group: Sequence[Thing], words: str, kind: str
) -> str | None:
    """Words of place, size or motion that tell a thing from its `group`; None if none do."""
    form: str | None = None
    if kind in ("name and place", "place"):
        if places := place_words(thing, group):
            form = wording.pick_plain(rng, wording.PLACES[str(rng.choice(places))], 0.5)
    elif kind == "extreme":
        if places := place_words(thing, group, EXTREME_APART):
            form = wording.pick(rng, wording.EXTREMES[str(rng.choice(places))])
    elif kind == "size":
        if size := size_word(thing, group):
            form = wording.pick_plain(rng, wording.SIZE[size], 0.5) + " {}"
    elif kind == "superlative":
        if size := size_word(thing, group, LARGEST_RATIO):
            form = wording.pick(rng, wording.LARGEST[size]) + " {}"
    elif len(thing.path) > 1 and (motion := motion_word(thing, group)):
        form = wording.pick_plain(rng, wording.MOTION[motion], 0.4)
    return None if form is None else form.format(words)


def _by_another(
    rng: np.random.Generator,
    thing: Thing,
    others: Sequence[Thing],
    named: Sequence[Thing],
    noun: str,
    kind: str,
) -> str | None:
    """Words such as "ball next to the star", where another ball is far from the star."""
    marks = [
        o for o in others if o.noun != thing.noun and sum(p.noun == o.noun for p in others) == 1
    ]
    if not marks:
        return None
    mark = marks[int(rng.integers(len(marks)))]
    if not named and rng.random() < 0.7:  # the name alone would do, so this teaches little
        return None
    if kind == "beside":
        own = _distance(thing, mark)
        rivals = [_distance(o, mark) for o in named]
        if own > BESIDE or (rivals and min(rivals) < BESIDE_RATIO * own):
            return None
        return wording.pick(rng, wording.BESIDE).format(noun, noun_word(rng, mark))
    places = [
        p
        for p in place_words(thing, [mark], EXTREME_APART)
        if all(p not in place_words(o, [mark], -EXTREME_APART / 2) for o in named)
    ]
    if not places:
        return None
    return wording.pick(rng, wording.RELATIVE[str(rng.choice(places))]).format(
        noun, noun_word(rng, mark)
    )


def _distance(one: Thing, other: Thing) -> float:
    return float(np.linalg.norm(one.path - other.path, axis=1).mean())


def noun_word(rng: np.random.Generator, thing: Thing) -> str:
    noun = vocabulary().nouns[thing.noun]
    return wording.pick(rng, noun.say) if noun.say and rng.random() < 0.25 else noun.name


def colour_word(rng: np.random.Generator, thing: Thing) -> str:
    assert thing.colour is not None
    colour = vocabulary().colours[thing.colour]
    return wording.pick(rng, colour.say) if rng.random() < 0.2 else colour.name
