"""Sentences that remove nothing: about absent or unknown things, or about no removal at all."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from ..collage.vocabulary import vocabulary
from . import wording
from .naming import View, any_single

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


def ask_for_nothing(
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
        words = any_single(rng, view, seen, seen[int(rng.integers(len(seen)))])
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
