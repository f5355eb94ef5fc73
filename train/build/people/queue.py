"""Which item comes next for whom, so that each is seen by as many people as asked for."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from threading import Lock

from .choices import Choice
from .decisions import Item

LEASE_SECONDS = 600.0
"""How long an item that is on somebody's screen is kept from others."""


class Queue:
    """The items in their order, with who has chosen and who is looking.

    All questions are answered from memory, so that 10,000 items are as quick as ten.
    """

    def __init__(self, found: Sequence[Item], choices: Iterable[Choice], annotators: int) -> None:
        self.items = {item.name: item for item in found}
        self.order = list(self.items)
        self.annotators = annotators
        self.chosen: dict[str, dict[str, Choice]] = defaultdict(dict)
        self.leases: dict[str, dict[str, float]] = defaultdict(dict)
        self.full = 0
        self.start = 0
        self.lock = Lock()
        for choice in choices:
            item = self.items.get(choice.item)
            if item is not None and item.revision == choice.revision:
                self._set(choice)

    def next(self, annotator: str, after: str | None = None) -> Item | None:
        """The next item for a person, which is kept for them; None where all are done.

        `after` is an item that they want to skip for now.
        """
        with self.lock:
            now = time.monotonic()
            while self.start < len(self.order) and self._is_full(self.order[self.start]):
                self.start += 1
            first = self.order.index(after) + 1 if after in self.items else self.start
            numbers = (*range(first, len(self.order)), *range(self.start, first))
            for number in numbers:
                name = self.order[number]
                if self._open_for(name, annotator, now):
                    self.leases[name][annotator] = now + LEASE_SECONDS
                    return self.items[name]
            return None

    def take(self, choice: Choice) -> None:
        """Note a choice that is on the disk."""
        with self.lock:
            self._set(choice)
            self.leases.get(choice.item, {}).pop(choice.annotator, None)

    def give_back(self, annotator: str, name: str) -> None:
        """Note that a choice was undone; the item is the person's again."""
        with self.lock:
            was_full = self._is_full(name)
            self.chosen[name].pop(annotator, None)
            self.full -= was_full and not self._is_full(name)
            if name in self.items:
                self.start = min(self.start, self.order.index(name))
                self.leases[name][annotator] = time.monotonic() + LEASE_SECONDS

    def progress(self, annotator: str) -> dict[str, int]:
        """How many items there are, how many are done by all and by this person."""
        with self.lock:
            mine = sum(annotator in chosen for chosen in self.chosen.values())
            return {"items": len(self.order), "done": self.full, "mine": mine}

    def _set(self, choice: Choice) -> None:
        was_full = self._is_full(choice.item)
        self.chosen[choice.item][choice.annotator] = choice
        self.full += self._is_full(choice.item) and not was_full

    def _is_full(self, name: str) -> bool:
        return len(self.chosen.get(name, ())) >= self.annotators

    def _open_for(self, name: str, annotator: str, now: float) -> bool:
        chosen = self.chosen.get(name, {})
        if annotator in chosen:
            return False
        others = [a for a, end in self.leases.get(name, {}).items() if end > now and a != annotator]
        return len(chosen) + len(set(others) - set(chosen)) < self.annotators
