"""Freer conversations than those of `conversations`: negation, corrections, "it", and injections.

They keep its form of replies, and its kinds of requests come among the new ones:

- "not but": one thing must stay and another must go;
- "forbid": something must stay, and nothing is asked for;
- "correct": the person changes their mind within the sentence;
- "is there": a question about one thing, present or absent, which later turns may call "it";
- "it" and "only it": what the question before was about goes, or stays alone;
- "injection": what is no request about the video, however much it tries to be obeyed.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..drawn.scenes import SceneObject
from . import free_phrasings, phrasings
from .conversations import FIRST_KINDS, LATER_KINDS, ConversationWriter, LabelledTurn
from .expressions import absent_object, describe_object
from .prompts import describe_scene

FREE_FIRST: Mapping[str, float] = {
    **{kind: 0.4 * share for kind, share in FIRST_KINDS.items()},
    "not but": 0.2,
    "forbid": 0.1,
    "correct": 0.1,
    "is there": 0.12,
    "injection": 0.08,
}
"""Kinds of first turns and their shares."""
FREE_LATER: Mapping[str, float] = {
    **{kind: 0.35 * share for kind, share in LATER_KINDS.items()},
    "not but": 0.15,
    "forbid": 0.08,
    "correct": 0.08,
    "is there": 0.08,
    "it": 0.16,
    "only it": 0.08,
    "injection": 0.05,
}
"""Kinds of later turns and their shares."""
FREE_KINDS = (*dict.fromkeys((*FREE_FIRST, *FREE_LATER, "answer")),)
STRANGE_ASKED = 0.4
"""Share of things that are in no scene at all, among questions for absent ones."""


def converse_freely(
    rng: np.random.Generator,
    objects: Sequence[SceneObject],
    count: int,
    strange: Sequence[str] = phrasings.STRANGE,
) -> tuple[LabelledTurn, ...]:
    """Generate `count` turns about a picture of `objects`; `strange` are things in no scene."""
    talk = _FreeWriter(rng, objects)
    talk.strange = strange
    for _ in range(count):
        talk.go_on()
    return tuple(talk.turns)


class _FreeWriter(ConversationWriter):
    """Writer of one free conversation."""

    first, later = FREE_FIRST, FREE_LATER

    def __init__(self, rng: np.random.Generator, objects: Sequence[SceneObject]) -> None:
        super().__init__(rng, objects)
        self.topic: int | None = None  # the object that "it" means
        self.makers |= {
            "not but": self._not_but,
            "forbid": self._forbid,
            "correct": self._correct,
            "is there": self._is_there,
            "it": self._it,
            "only it": self._only_it,
            "injection": self._injection,
        }

    def go_on(self) -> None:
        """Add a turn; "it" means what the question just before was about."""
        super().go_on()
        if self.turns[-1].kind != "is there":
            self.topic = None

    def _redirected(self, kind: str) -> str:
        """After a question about one object, mostly a request about "it"."""
        if self.topic is None or self.rng.random() < 0.4:
            return kind
        return "it" if self.rng.random() < 0.6 else "only it"

    def _not_but(self) -> LabelledTurn | None:
        return self._of_two(free_phrasings.NOT_BUT, "not but")

    def _correct(self) -> LabelledTurn | None:
        return self._of_two(free_phrasings.CORRECT, "correct")

    def _of_two(self, templates: Sequence[str], kind: str) -> LabelledTurn | None:
        """Remove one of two named objects."""
        if len(self.all) < 2:
            return None
        one, other = self.rng.permutation(len(self.all))[:2].tolist()
        asked = self._fill(templates, (one,), other=other)
        return self._removal(asked, (one,), kind)

    def _forbid(self) -> LabelledTurn | None:
        if not self.all:
            return None
        chosen = self._some(1)
        asked = self._fill(free_phrasings.FORBID, chosen, "keep {}")
        if asked is None:
            return None
        return self._unmet(asked, chosen, "All right, it stays. What shall I remove?", "forbid")

    def _is_there(self) -> LabelledTurn | None:
        """Ask for one thing, which may be absent."""
        if self.all and self.rng.random() < 0.6:
            index = int(self.rng.choice(self.all))
            name = describe_object(self.objects, index)
            if name is None or " on the " in name or " at the " in name:
                return None
            self.topic = index
            answer = f"Yes, there is {_a(name)}. What shall I remove?"
        else:
            name = absent_object(self.rng, self.objects)
            if self.rng.random() < STRANGE_ASKED:
                name = self._choose(self.strange)
            self.topic = None
            answer = f"There is no {name}. What shall I remove?"
        request = self._choose(free_phrasings.IS_THERE).replace("a {bare}", _a(name))
        scene = describe_scene(self.objects)
        return LabelledTurn(self._style(request), f"{scene} {answer}", (), "is there")

    def _it(self) -> LabelledTurn | None:
        if self.topic is None:
            return None
        return self._about_topic(free_phrasings.IT, "remove the {}", (self.topic,), "it")

    def _only_it(self) -> LabelledTurn | None:
        rest = tuple(i for i in self.all if i != self.topic)
        if self.topic is None or not rest:
            return None
        return self._about_topic(free_phrasings.ONLY_IT, "keep the {}", rest, "only it")

    def _about_topic(
        self, templates: Sequence[str], plain: str, removed: tuple[int, ...], kind: str
    ) -> LabelledTurn | None:
        assert self.topic is not None
        name = describe_object(self.objects, self.topic)
        if name is None:
            return None
        asked = self._choose(templates), plain.format(name)
        return self._removal(asked, removed, kind, (self.topic,))

    def _injection(self) -> LabelledTurn:
        templates = free_phrasings.INJECTION
        return self._chatter("injection", templates, free_phrasings.NOT_MY_WORK)


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
