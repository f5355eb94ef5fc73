"""Requests about collages: freer sentences than those of `expressions`, and absent things.

A sentence fits exactly the things that it removes, among those that can be seen. What it names may
also be absent or unknown, or it may ask for nothing; then nothing is removed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..collage.scenes import Thing
from ..collage.vocabulary import vocabulary
from . import wording
from .expressions import Emphasis, Request, motion_word, place_words, size_word

FAINT = 0.08  # share of a thing up to which nobody sees it
SEEN = 0.3  # share from which it may be spoken of
EXTREME_APART = 0.12  # least distance that makes a thing the leftmost
LARGEST_RATIO = 1.3  # least ratio of diameters that makes a thing the largest
BESIDE_RATIO = 1.7  # how much nearer than its like a thing is that stands next to another
BESIDE = 0.45  # greatest distance of things that stand next to each other
KINDS: Mapping[str, float] = MappingProxyType(
    {
        "colour and name": 3.0,
        "name": 3.0,
        "colour": 0.7,
        "name and place": 3.0,
        "place": 0.5,
        "size": 2.0,
        "motion": 4.0,
        "superlative": 1.2,
        "extreme": 1.5,
        "beside": 3.0,
        "relative": 2.0,
        "two objects": 1.6,
        "group": 1.2,
        "everything": 0.5,
        "except": 1.0,
        "keep": 0.8,
    }
)
"""How often each kind of expression comes, where it is possible."""
ABSENT_SHARE = 0.22
ABSENT: Mapping[str, float] = MappingProxyType(
    {"absent": 0.35, "near miss": 0.2, "unknown": 0.25, "talk": 0.1, "not asked": 0.1}
)
"""What a sentence says that removes nothing."""
ALIKE = (
    {"red", "orange", "pink"},
    {"orange", "yellow", "brown"},
    {"red", "brown"},
    {"blue", "purple"},
    {"purple", "pink"},
    {"white", "grey"},
    {"grey", "black"},
    {"black", "brown"},
)
"""Colours that people may take for each other; no sentence says one where the other is."""
TRIES = 12


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


def ask(
    rng: np.random.Generator,
    view: View,
    present: Sequence[int],
    can_keep: Callable[[tuple[int, ...]], bool],
    unknown: Sequence[str],
    emphasis: Emphasis = MappingProxyType({}),
) -> Request:
    """Draw a request about the things with the indices `present`.

    `can_keep` says whether there is a picture with only the things of these indices; a request
    that needs another is not drawn. `unknown` are nouns that no drawing shows. `emphasis` holds
    factors on the frequency of kinds; that of "absent" is for all that removes nothing.
    """
    seen = view.seen(present)
    share = ABSENT_SHARE * emphasis.get("absent", 1)
    if seen and rng.random() >= share:
        for _ in range(TRIES):
            found = _removal(rng, view, present, seen, emphasis)
            if found is None:
                continue
            phrase, removed, kind = found
            kept = tuple(i for i in present if i not in removed)
            if can_keep(kept):
                return Request(wording.finish(rng, phrase), tuple(sorted(removed)), kind)
    sentence, kind = _nothing(rng, view, present, unknown)
    return Request(wording.finish(rng, sentence), (), kind)


def _removal(
    rng: np.random.Generator,
    view: View,
    present: Sequence[int],
    seen: list[int],
    emphasis: Emphasis,
) -> tuple[str, tuple[int, ...], str] | None:
    """A sentence, what it removes, and its kind; None where the drawn kind is not possible."""
    weights = np.array([w * emphasis.get(kind, 1) for kind, w in KINDS.items()])
    kind = str(rng.choice(list(KINDS), p=weights / weights.sum()))
    if kind == "everything":
        phrase = wording.pick(rng, wording.EVERYTHING)
        return wording.ask_for(rng, phrase), tuple(present), kind
    if kind in ("except", "keep"):
        return _keep(rng, view, present, seen, kind)
    if kind == "group":
        group = _group(rng, view, seen)
        return group and (wording.ask_for(rng, group[0]), group[1], kind)
    if kind == "two objects":
        return _several(rng, view, seen)
    index = seen[int(rng.integers(len(seen)))]
    words = _single(rng, view, seen, index, kind)
    if words is None:
        return None
    return wording.ask_for(rng, wording.with_article(rng, words)), (index,), kind


def _keep(
    rng: np.random.Generator, view: View, present: Sequence[int], seen: list[int], kind: str
) -> tuple[str, tuple[int, ...], str] | None:
    """A request that names what stays."""
    if len(seen) < 2:
        return None
    group = _group(rng, view, seen) if rng.random() < 0.2 else None
    if group is not None:
        phrase, stays = group
        phrase = phrase.replace("every ", "the ").replace("all ", "the ").replace("the the", "the")
    else:
        index = seen[int(rng.integers(len(seen)))]
        words = _any_single(rng, view, seen, index)
        if words is None:
            return None
        phrase, stays = wording.with_article(rng, words), (index,)
    removed = tuple(i for i in present if i not in stays)
    if not removed:
        return None
    if kind == "keep":
        return wording.pick(rng, wording.KEEP).format(phrase), removed, kind
    rest = wording.pick(rng, wording.EXCEPT).format(phrase)
    return wording.ask_for(rng, rest), removed, kind


def _several(
    rng: np.random.Generator, view: View, seen: list[int]
) -> tuple[str, tuple[int, ...], str] | None:
    """A request that names two things, sometimes three."""
    count = 3 if len(seen) > 3 and rng.random() < 0.2 else 2
    if len(seen) < count:
        return None
    chosen = [seen[int(i)] for i in rng.permutation(len(seen))[:count]]
    words = [_any_single(rng, view, seen, i) for i in chosen]
    if any(w is None for w in words):
        return None
    parts = [wording.with_article(rng, w) for w in words if w is not None]
    phrase = ", ".join(parts[:-1]) + wording.pick_plain(rng, (" and ", " and also "), 0.8)
    return wording.ask_for(rng, phrase + parts[-1]), tuple(chosen), "two objects"


def _group(
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
        words = f"{_colour(rng, thing)} {noun.plural if by_noun else 'things'}"
    if len(alike) < 2:
        return None
    forms = ["all {}", "all the {}", "all of the {}", "the {}"]
    if len(alike) == 2:
        forms += ["both {}", "both {}", "the two {}"]
    elif words == noun.plural:
        return wording.pick(rng, (*forms, "every " + noun.name)).format(words), tuple(alike)
    return wording.pick(rng, tuple(forms)).format(words), tuple(alike)


def _any_single(rng: np.random.Generator, view: View, seen: list[int], index: int) -> str | None:
    """Words for one thing, of a kind that is possible."""
    for kind in ("name", "colour and name", "name and place", "extreme", "superlative"):
        if rng.random() < 0.75:
            words = _single(rng, view, seen, index, kind)
            if words is not None:
                return words
    return None


def _single(
    rng: np.random.Generator, view: View, seen: list[int], index: int, kind: str
) -> str | None:
    """Words of a kind, without an article, that fit only thing `index`; None if there are none."""
    thing = view.things[index]
    others = [view.things[i] for i in seen if i != index]
    named = [o for o in others if o.noun == thing.noun]
    twins = [o for o in named if o.colour in (thing.colour, None)]
    noun = _noun(rng, thing)
    if kind == "name":
        return None if named else noun
    if kind in ("colour and name", "colour"):
        if thing.colour is None:
            return None
        if kind == "colour and name":
            return None if twins else f"{_colour(rng, thing)} {noun}"
        like = [o for o in others if o.colour in (thing.colour, None)]
        return None if like else f"{_colour(rng, thing)} {wording.pick(rng, wording.ANY_NOUN)}"
    if kind in ("beside", "relative"):
        return _by_another(rng, thing, others, named, noun, kind)
    # Place, size and motion: among those of its noun, of its noun and colour, or among all.
    words, group = noun, named
    draw = rng.random()
    if kind == "place" or draw < 0.15:
        words, group = wording.pick(rng, wording.ANY_NOUN), others
    elif draw < 0.4 and thing.colour is not None:
        words, group = f"{_colour(rng, thing)} {noun}", twins
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
        return wording.pick(rng, wording.BESIDE).format(noun, _noun(rng, mark))
    places = [
        p
        for p in place_words(thing, [mark], EXTREME_APART)
        if all(p not in place_words(o, [mark], -EXTREME_APART / 2) for o in named)
    ]
    if not places:
        return None
    return wording.pick(rng, wording.RELATIVE[str(rng.choice(places))]).format(
        noun, _noun(rng, mark)
    )


def _distance(one: Thing, other: Thing) -> float:
    return float(np.linalg.norm(one.path - other.path, axis=1).mean())


def _noun(rng: np.random.Generator, thing: Thing) -> str:
    noun = vocabulary().nouns[thing.noun]
    return wording.pick(rng, noun.say) if noun.say and rng.random() < 0.25 else noun.name


def _colour(rng: np.random.Generator, thing: Thing) -> str:
    assert thing.colour is not None
    colour = vocabulary().colours[thing.colour]
    return wording.pick(rng, colour.say) if rng.random() < 0.2 else colour.name


def _nothing(
    rng: np.random.Generator, view: View, present: Sequence[int], unknown: Sequence[str]
) -> tuple[str, str]:
    """A sentence that removes nothing, and its kind."""
    seen = view.seen(present)
    kind = str(rng.choice(list(ABSENT), p=list(ABSENT.values())))
    if kind == "talk":
        draw = rng.random()
        if draw < 0.6:
            return wording.pick(rng, wording.TALK), kind
        return wording.nonsense(rng) if draw < 0.85 else str(rng.choice(unknown)), kind
    if kind == "not asked" and seen:
        words = _any_single(rng, view, seen, seen[int(rng.integers(len(seen)))])
        if words is not None:
            phrase = wording.with_article(rng, words)
            return wording.pick(rng, wording.NOTHING).format(phrase), kind
    if kind == "near miss" and seen:
        words = _near_miss(rng, view, present, seen)
        if words is not None:
            return wording.ask_for(rng, wording.with_article(rng, words)), kind
    if kind == "unknown":
        words = str(rng.choice(unknown))
        if rng.random() < 0.05:
            words = wording.nonsense(rng).split()[0]
    else:
        kind = "absent"
        there = {view.things[i].noun for i in (*seen, *view.doubtful(present))}
        there |= set(view.background)
        nouns = [n for n in vocabulary().nouns if n not in there]
        noun = vocabulary().nouns[str(rng.choice(nouns))]
        words = wording.pick(rng, noun.say) if noun.say and rng.random() < 0.25 else noun.name
    draw = rng.random()
    if draw < 0.25:
        words = f"{rng.choice(list(vocabulary().colours))} {words}"
    elif draw < 0.4:
        places = list(wording.PLACES)
        words = wording.pick(rng, wording.PLACES[str(rng.choice(places))]).format(words)
    elif draw < 0.47:
        words = f"{wording.pick(rng, ('big', 'small', 'moving', 'biggest', 'leftmost'))} {words}"
    sentence = wording.ask_for(rng, wording.with_article(rng, words))
    if rng.random() < 0.06:
        sentence = wording.pick(rng, ("remove all the {}s", "delete both {}s")).format(words)
    return sentence, kind


def _near_miss(
    rng: np.random.Generator, view: View, present: Sequence[int], seen: list[int]
) -> str | None:
    """Words for an absent thing, one word away from one that is there."""
    thing = view.things[seen[int(rng.integers(len(seen)))]]
    around = [view.things[i] for i in (*seen, *view.doubtful(present))]
    if rng.random() < 0.6 or thing.colour is None:
        noun = thing.noun
        own = {o.colour for o in around if o.noun == noun}
        if None in own:
            return None
        near = {c for colour in own for pair in ALIKE if colour in pair for c in pair} | own
        colours = [c for c in vocabulary().colours if c not in near]
        if not colours:
            return None
        colour = str(rng.choice(colours))
    else:
        colour = thing.colour
        taken = {o.noun for o in around} | set(view.background)
        noun = str(rng.choice([n for n in vocabulary().nouns if n not in taken]))
    return f"{colour} {noun}"
