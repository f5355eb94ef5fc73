"""What becomes of each item: people's majority, or, where nobody saw it, the order by figures."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..config import BuildConfig
from ..jobs import current
from ..stages import CANDIDATES, SOURCES
from ..state import State
from .choices import NONE, Choice, Choices, has_choices


@dataclass(frozen=True)
class Item:
    """One object of one clip, with its candidates' facts."""

    key: str
    object: dict[str, Any]
    revision: str
    """Checksum of its candidates."""
    clip: dict[str, Any]
    """Facts of the clip as it was taken: source, clip, split, frames, width, height."""

    @property
    def name(self) -> str:
        """The clip's key and the object's id: "mine--park/1"."""
        return f"{self.key}/{self.object['id']}"


@dataclass(frozen=True)
class Decision:
    """The width that was chosen, None where the item is left out, and its sentences."""

    item: Item
    grow: int | None
    expressions: tuple[str, ...]
    by: str
    """"people" or "figures"; empty where nobody has decided yet."""
    votes: tuple[str, ...] = ()
    reason: str = ""
    """Why the item is left out."""


def items(config: BuildConfig) -> list[Item]:
    """Every object that has candidates, in the order of their names."""
    state = State(config.state)
    found = []
    for key, made_with in current(config, state, CANDIDATES):
        result, taken = state.result(CANDIDATES, key), state.result(SOURCES, key)
        assert result is not None and taken is not None
        clip = {k: v for k, v in taken.facts.items() if k not in ("objects", "left_out", "given")}
        found += [Item(key, thing, made_with, clip) for thing in result.facts["objects"]]
    return sorted(found, key=lambda item: item.name)


def standing_choices(config: BuildConfig) -> list[Choice]:
    """All choices that count; none where nobody has opened the page."""
    if not has_choices(config.state):
        return []
    choices = Choices(config.state)
    try:
        return list(choices.standing())
    finally:
        choices.close()


def decide(config: BuildConfig, found: Iterable[Item], choices: Iterable[Choice]) -> list[Decision]:
    """A decision for every item. A tie goes to the candidate that the figures prefer."""
    of_item: dict[tuple[str, str], list[Choice]] = defaultdict(list)
    for choice in choices:
        of_item[choice.item, choice.revision].append(choice)
    return [_decide(config, item, of_item[item.name, item.revision]) for item in found]


def _decide(config: BuildConfig, item: Item, choices: list[Choice]) -> Decision:
    given = tuple(item.object["expressions"])
    usable = [c["grow"] for c in item.object["candidates"] if not c["refused"]]
    if not choices:
        if config.selection.without_people == "nothing":
            return Decision(item, None, given, "", reason="nobody has chosen yet")
        if not usable:
            return Decision(item, None, given, "figures", reason="every candidate is refused")
        return Decision(item, usable[0], given, "figures")
    votes = tuple(choice.choice for choice in choices)
    counts = Counter(votes)
    order = [str(c["grow"]) for c in item.object["candidates"]]
    first = min(counts, key=lambda vote: (-counts[vote], vote == NONE, _place(vote, order)))
    mended = [c.expressions for c in choices if c.expressions and c.expressions != given]
    expressions = mended[-1] if mended else given
    if first == NONE:
        return Decision(item, None, expressions, "people", votes, "no candidate is good")
    return Decision(item, int(first), expressions, "people", votes)


def _place(vote: str, order: list[str]) -> int:
    return order.index(vote) if vote in order else len(order)
