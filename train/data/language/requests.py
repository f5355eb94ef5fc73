"""Requests about collages: freer sentences than those of `expressions`, and absent things.

A sentence fits exactly the things that it removes, among those that can be seen. What it names may
also be absent or unknown, or it may ask for nothing; then nothing is removed.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from . import wording
from .expressions import Emphasis, Request
from .idle_requests import ask_for_nothing
from .naming import View, any_single, group_words, single

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
TRIES = 12


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
    sentence, kind = ask_for_nothing(rng, view, present, unknown)
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
        group = group_words(rng, view, seen)
        return group and (wording.ask_for(rng, group[0]), group[1], kind)
    if kind == "two objects":
        return _several(rng, view, seen)
    index = seen[int(rng.integers(len(seen)))]
    words = single(rng, view, seen, index, kind)
    if words is None:
        return None
    return wording.ask_for(rng, wording.with_article(rng, words)), (index,), kind


def _keep(
    rng: np.random.Generator, view: View, present: Sequence[int], seen: list[int], kind: str
) -> tuple[str, tuple[int, ...], str] | None:
    """A request that names what stays."""
    if len(seen) < 2:
        return None
    group = group_words(rng, view, seen) if rng.random() < 0.2 else None
    if group is not None:
        phrase, stays = group
        phrase = phrase.replace("every ", "the ").replace("all ", "the ").replace("the the", "the")
    else:
        index = seen[int(rng.integers(len(seen)))]
        words = any_single(rng, view, seen, index)
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
    words = [any_single(rng, view, seen, i) for i in chosen]
    if any(w is None for w in words):
        return None
    parts = [wording.with_article(rng, w) for w in words if w is not None]
    phrase = ", ".join(parts[:-1]) + wording.pick_plain(rng, (" and ", " and also "), 0.8)
    return wording.ask_for(rng, phrase + parts[-1]), tuple(chosen), "two objects"
