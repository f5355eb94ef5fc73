"""Generated conversations about generated clips: a person's requests, and the right replies.

    talk = make_conversation("held-out", 7, frames=8, height=128, width=128)

The requests are explicit or implicit, name objects that are present or absent, and may refer to
earlier turns. Among them are chatter, questions, and languages that the chat model does not know.

The reply to a request first says in plain words what the person wants, then what is in the picture,
and of each object whether it is one of those named. A small model can take these steps one by one,
while it could not find the prompt at once. The plain words come first, so that the words of the
objects that are meant have occurred before when the scene is described, and those of others have
not. The prompt between its marks comes last; there is none where nothing is to be removed, or where
it is unclear what is. The first reply to anything else describes the picture.

A request for a removal refers to the original clip: only requests such as "the other one too" add
to what the turn before removed, and the plain words then name everything that is to be removed. No
words depend on motion, because the chat model sees single frames.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..drawn.numbered import SPLITS, scene_of
from ..drawn.scenes import SceneObject
from . import phrasings
from .expressions import absent_object, describe_object
from .prompts import MARKS, describe_scene, removal_prompt

FIRST_KINDS: Mapping[str, float] = {
    "remove": 0.3,
    "keep": 0.2,
    "distract": 0.14,
    "empty": 0.05,
    "absent": 0.1,
    "ambiguous": 0.09,
    "look": 0.04,
    "greeting": 0.04,
    "unanswerable": 0.04,
    "foreign": 0.06,
}
"""Kinds of first turns and their shares; a kind that the scene rules out is drawn again."""
LATER_KINDS: Mapping[str, float] = {
    "remove": 0.2,
    "keep": 0.16,
    "distract": 0.08,
    "empty": 0.03,
    "absent": 0.07,
    "ambiguous": 0.08,
    "thanks": 0.05,
    "unanswerable": 0.03,
    "foreign": 0.04,
    "too": 0.15,
    "instead": 0.15,
}
"""Kinds of later turns and their shares, likewise."""
KINDS = (*dict.fromkeys((*FIRST_KINDS, *LATER_KINDS, "answer")),)
TURN_SHARES = (0.6, 0.28, 0.12)
"""Shares of the conversations with one, two and three turns."""
STRANGE_SHARE = 0.25
"""Share of things that are in no scene at all, among requests for absent objects."""
_LETTERS = "aaabcdeeefghiiijklmnooopqrstuuuvwxyz"
_STREAM = 4  # stream of random numbers, apart from those of the scene and its sentence


@dataclass(frozen=True)
class LabelledTurn:
    """A request, its reply, the indices of the objects to remove, and the kind of the request."""

    request: str
    reply: str
    removed: tuple[int, ...]
    kind: str

    @property
    def has_prompt(self) -> bool:
        """Whether the reply contains a prompt."""
        return MARKS[0] in self.reply


@dataclass(frozen=True)
class Conversation:
    """One to three turns about clip `number` of `split`, and the objects in that clip."""

    split: str
    number: int
    objects: tuple[SceneObject, ...]
    turns: tuple[LabelledTurn, ...]


def make_conversation(
    split: str, number: int, frames: int, height: int, width: int
) -> Conversation:
    """Generate the conversation about clip `number` of a split, as `make_sample` draws it."""
    objects = scene_of(split, number, frames, width / height).objects
    rng = np.random.default_rng([SPLITS[split], number, _STREAM])
    count = 1 + int(rng.choice(len(TURN_SHARES), p=TURN_SHARES))
    return Conversation(split, number, objects, converse(rng, objects, count))


def converse(
    rng: np.random.Generator, objects: Sequence[SceneObject], count: int
) -> tuple[LabelledTurn, ...]:
    """Generate `count` turns about a picture of `objects`, which may be empty."""
    talk = ConversationWriter(rng, objects)
    for _ in range(count):
        talk.go_on()
    return tuple(talk.turns)


class ConversationWriter:
    """Writer of one conversation. The methods for a kind of turn return None if it does not fit."""

    first: Mapping[str, float] = FIRST_KINDS
    later: Mapping[str, float] = LATER_KINDS
    strange: Sequence[str] = phrasings.STRANGE

    def __init__(self, rng: np.random.Generator, objects: Sequence[SceneObject]) -> None:
        self.rng, self.objects = rng, objects
        self.all = tuple(range(len(objects)))
        self.turns: list[LabelledTurn] = []
        self.asked: tuple[int, ...] = ()  # objects to choose from after an unclear request
        self.makers: dict[str, Callable[[], LabelledTurn | None]] = {
            "remove": self._remove,
            "keep": self._keep,
            "distract": self._distract,
            "empty": self._empty,
            "absent": self._absent,
            "ambiguous": self._ambiguous,
            "too": self._too,
            "instead": self._instead,
            "answer": self._answer,
            "foreign": self._foreign,
        }
        for kind, (requests, answer) in _CHATTER.items():
            self.makers[kind] = partial(self._chatter, kind, requests, answer)

    def go_on(self) -> None:
        """Add a turn. Kinds are drawn until one fits the scene; some fit every scene."""
        shares = self.later if self.turns else self.first
        while True:
            weights = np.array([*shares.values()])
            kind = str(self.rng.choice(list(shares), p=weights / weights.sum()))
            if self.asked and self.rng.random() < 0.9:
                kind = "answer"
            kind = self._redirected(kind)
            if (turn := self.makers[kind]()) is not None:
                break
        self.turns.append(turn)
        if kind != "ambiguous":
            self.asked = ()

    def _redirected(self, kind: str) -> str:
        """The kind of turn to try in place of the one drawn."""
        return kind

    def _remove(self) -> LabelledTurn | None:
        count = 2 if len(self.all) > 2 and self.rng.random() < 0.3 else 1
        if count > len(self.all):
            return None
        chosen = self._some(count)
        return self._removal(self._fill(phrasings.REMOVE, chosen), chosen, "remove")

    def _keep(self) -> LabelledTurn | None:
        if len(self.all) < 2:
            return None
        count = 2 if len(self.all) > 2 and self.rng.random() < 0.25 else 1
        kept = self._some(count)
        rest = tuple(i for i in self.all if i not in kept)
        asked = self._fill(phrasings.KEEP, kept, "keep {}")
        return self._removal(asked, rest, "keep", kept)

    def _distract(self) -> LabelledTurn | None:
        if len(self.all) < 2:
            return None
        one, other = self.rng.permutation(len(self.all))[:2].tolist()
        asked = self._fill(phrasings.DISTRACT, (one,), other=other)
        return self._removal(asked, (one,), "distract")

    def _empty(self) -> LabelledTurn | None:
        asked = self._choose(phrasings.EMPTY), "remove everything"
        if not self.all:
            return self._unmet(asked, (), "There is nothing to remove.", "empty")
        return self._removal(asked, self.all, "empty")

    def _absent(self) -> LabelledTurn | None:
        words = absent_object(self.rng, self.objects)
        if self.rng.random() < STRANGE_SHARE:
            words = self._choose(self.strange)
        verb = "remove" if self.rng.random() < 0.7 else "keep"
        templates = phrasings.REMOVE if verb == "remove" else phrasings.KEEP
        request = self._choose(templates).format(it=f"the {words}", **_VERBS_OF_ONE)
        asked = request, f"{verb} the {words}"
        return self._unmet(asked, (), f"There is no {words}. What shall I remove?", "absent")

    def _ambiguous(self) -> LabelledTurn | None:
        """Ask for "the ball" or "the red thing" where two objects fit."""
        words: dict[str, list[int]] = {}
        for i, thing in enumerate(self.objects):
            names = (thing.noun, f"{thing.colour} {thing.noun}", f"{thing.colour} thing")
            for name in names:
                words.setdefault(name, []).append(i)
        unclear = [(name, found) for name, found in words.items() if len(found) == 2]
        if not unclear:
            return None
        name, found = unclear[int(self.rng.integers(len(unclear)))]
        options = [describe_object(self.objects, i) for i in found]
        if None in options:
            return None
        request = self._choose(phrasings.REMOVE).format(
            it=f"the {_vary(self.rng, name)}", **_VERBS_OF_ONE
        )
        self.asked = tuple(found)
        asked = request, f"remove the {name}"
        return self._unmet(asked, found, "Which one shall I remove?", "ambiguous")

    def _answer(self) -> LabelledTurn | None:
        if self.rng.random() < 0.12:
            both = self._choose(phrasings.BOTH), "remove both"
            return self._removal(both, self.asked, "answer")
        one = int(self.rng.choice(self.asked))
        choices = [self.objects[i] for i in self.asked]
        words = describe_object(choices, self.asked.index(one), self.rng)
        if words is None:
            return None
        request = self._choose(phrasings.ANSWER).format(it=f"the {_vary(self.rng, words)}")
        return self._removal((_capital(request), f"remove the {words}"), (one,), "answer")

    def _too(self) -> LabelledTurn | None:
        """Add an object to what the turn before removed; the plain words name all of them."""
        removed = self._last_removed()
        left = tuple(i for i in self.all if i not in removed)
        before = removal_prompt(self.objects, removed)
        if not left or before is None:
            return None
        if len(left) == 1 and self.rng.random() < 0.5:
            other = describe_object(self.objects, left[0])
            asked = self._choose(phrasings.OTHER_TOO), f"{before} and the {other}"
            return None if other is None else self._removal(asked, self.all, "too")
        one = int(self.rng.choice(left))
        named = self._fill(phrasings.TOO, (one,), before + " and {}")
        return self._removal(named, (*removed, one), "too")

    def _instead(self) -> LabelledTurn | None:
        removed = self._last_removed()
        left = tuple(i for i in self.all if i not in removed)
        if not removed or not left:
            return None
        one = int(self.rng.choice(left))
        if len(left) == 1 == len(removed) and self.rng.random() < 0.6:
            other = describe_object(self.objects, one)
            asked = self._choose(phrasings.OTHER_INSTEAD), f"remove the {other}"
            return None if other is None else self._removal(asked, left, "instead")
        return self._removal(self._fill(phrasings.INSTEAD, (one,)), (one,), "instead")

    def _foreign(self) -> LabelledTurn:
        """Ask in another language, or in random letters."""
        if self.rng.random() < 0.3:
            request = self._gibberish()
        else:
            sentences, things = phrasings.FOREIGN[int(self.rng.integers(len(phrasings.FOREIGN)))]
            request = self._choose(sentences).format(it=self._choose(things))
        return self._chatter("foreign", (_capital(request),), phrasings.NOT_UNDERSTOOD)

    def _gibberish(self) -> str:
        words = (
            "".join(_LETTERS[i] for i in self.rng.integers(len(_LETTERS), size=length))
            for length in self.rng.integers(2, 10, size=self.rng.integers(1, 7))
        )
        return " ".join(words) + self._choose(("", ".", "!", "?"))

    def _chatter(self, kind: str, requests: Sequence[str], answer: str) -> LabelledTurn:
        scene = "" if self.turns else describe_scene(self.objects) + " "
        return LabelledTurn(self._style(self._choose(requests)), scene + answer, (), kind)

    def _last_removed(self) -> tuple[int, ...]:
        return self.turns[-1].removed if self.turns else ()

    def _some(self, count: int) -> tuple[int, ...]:
        return tuple(self.rng.permutation(len(self.all))[:count].tolist())

    def _removal(
        self,
        asked: tuple[str, str] | None,
        removed: Sequence[int],
        kind: str,
        meant: Sequence[int] | None = None,
    ) -> LabelledTurn | None:
        """Return a turn that removes `removed`; None where no words single the objects out.

        `asked` is the request in a person's words and in plain ones; these name `meant`, or
        `removed` by default.
        """
        prompt = removal_prompt(self.objects, removed)
        if prompt is None or asked is None:
            return None
        reply = f"{self._look(asked, meant or removed)} {MARKS[0]} {prompt} {MARKS[1]}"
        return LabelledTurn(self._style(asked[0]), reply, tuple(sorted(removed)), kind)

    def _unmet(
        self, asked: tuple[str, str], meant: Sequence[int], answer: str, kind: str
    ) -> LabelledTurn:
        """Return a turn that removes nothing, because the objects `meant` are none or too many."""
        reply = f"{self._look(asked, meant)} {answer}"
        return LabelledTurn(self._style(_capital(asked[0])), reply, (), kind)

    def _look(self, asked: tuple[str, str], meant: Sequence[int]) -> str:
        plain = re.sub(r"\bthing\b", "object", asked[1])
        return f"You want to {plain}. {describe_scene(self.objects, meant)}"

    def _fill(
        self,
        templates: Sequence[str],
        chosen: Sequence[int],
        plain: str = "remove {}",
        other: int | None = None,
    ) -> tuple[str, str] | None:
        """Return a request that names the `chosen` objects, in a person's words and in plain ones.

        None where no words single one of them out.
        """
        found = [describe_object(self.objects, i, self.rng) for i in chosen]
        against = "" if other is None else describe_object(self.objects, other, self.rng)
        words = [w for w in found if w is not None]
        if len(words) < len(found) or against is None:
            return None
        values: dict[str, Any] = {
            "it": " and ".join(f"the {_vary(self.rng, w)}" for w in words),
            "other": f"the {_vary(self.rng, against)}",
            **(_VERBS_OF_ONE if len(words) == 1 else _VERBS_OF_MANY),
        }
        names = " and ".join(f"the {w}" for w in words)
        return _capital(self._choose(templates).format(**values)), plain.format(names)

    def _style(self, request: str) -> str:
        """Vary a request as people do: greetings, thanks, no capitals, no full stop."""
        rng = self.rng
        if rng.random() < 0.12:
            request = self._choose(phrasings.OPENINGS) + request
        if rng.random() < 0.1:
            request += self._choose(phrasings.ENDINGS)
        if rng.random() < 0.3:
            request = request.lower()
        if rng.random() < 0.25:
            request = request.rstrip(".!")
        return request

    def _choose(self, texts: Sequence[str]) -> str:
        return texts[int(self.rng.integers(len(texts)))]


_CHATTER = {
    "look": (phrasings.LOOK, "What shall I remove?"),
    "greeting": (phrasings.GREETING, "What shall I remove?"),
    "thanks": (phrasings.THANKS, "You are welcome. Is there anything else to remove?"),
    "unanswerable": (phrasings.UNANSWERABLE, "I cannot tell that from the picture."),
}
_VERBS_OF_ONE = {"has": "has", "is_": "is", "does": "does", "was": "was"}
_VERBS_OF_MANY = {"has": "have", "is_": "are", "does": "do", "was": "were"}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _vary(rng: np.random.Generator, words: str) -> str:
    """Put a description in other words or in another order, such as "the left ball"."""
    for place, before in phrasings.BEFORE.items():
        if words.endswith(place) and rng.random() < 0.35:
            words = f"{before[int(rng.integers(len(before)))]} {words.removesuffix(place).strip()}"
    for usual, others in phrasings.SYNONYMS.items():
        if usual in words and rng.random() < 0.4:
            words = words.replace(usual, others[int(rng.integers(len(others)))])
            break
    return words
