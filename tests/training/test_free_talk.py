"""Free conversations: negation and corrections remove the right thing, the rest nothing."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from train.data.drawn.numbered import scene_of
from train.data.drawn.scenes import SceneObject
from train.data.language import free_phrasings, phrasings
from train.data.language.conversations import LabelledTurn
from train.data.language.free_talk import FREE_KINDS, converse_freely
from train.data.language.prompts import MARKS, is_sentence, parse_prompt


def thing(noun: str, colour: str, x: float) -> SceneObject:
    path = np.array([[x, 0.5]])
    return SceneObject(noun, colour, (1.0, 0.0, 0.0), 0.3, path, np.zeros(1), False)


HEART_AND_STAR = [thing("heart", "red", 0.2), thing("star", "blue", 0.8)]


def prompt_of(turn: LabelledTurn) -> str | None:
    if MARKS[0] not in turn.reply:
        return None
    return turn.reply.split(MARKS[0])[1].split(MARKS[1])[0].strip()


@pytest.fixture(scope="module")
def talks() -> list[tuple[tuple[SceneObject, ...], tuple[LabelledTurn, ...]]]:
    found = []
    for number in range(1200):
        objects = scene_of("train", number, 1, 1.2).objects
        found.append((objects, converse_freely(np.random.default_rng(number), objects, 3)))
    return found


def test_every_kind_comes(talks) -> None:
    kinds = Counter(turn.kind for _, turns in talks for turn in turns)
    assert kinds.keys() == set(FREE_KINDS) and min(kinds.values()) > 15


def test_prompts_are_in_the_prompts_language_and_name_what_goes(talks) -> None:
    for objects, turns in talks:
        for turn in turns:
            prompt = prompt_of(turn)
            if prompt is None:
                assert turn.removed == ()
                continue
            assert is_sentence(prompt) and parse_prompt(prompt, objects) == turn.removed


def test_what_must_stay_stays() -> None:
    seen = Counter()
    for number in range(400):
        (turn,) = converse_freely(np.random.default_rng(number), HEART_AND_STAR, 1)
        text = turn.request.lower()
        if turn.kind == "not but":
            # The object behind the negation is the one that stays.
            for words, stays in (("not remove the red heart", 0), ("not remove the heart", 0)):
                if words in text:
                    assert stays not in turn.removed
                    seen["not but"] += 1
        if turn.kind in ("forbid", "injection"):
            assert prompt_of(turn) is None and turn.removed == ()
            seen[turn.kind] += 1
    assert seen["not but"] and seen["forbid"] and seen["injection"]


def test_a_correction_counts_and_not_what_came_before_it() -> None:
    found = 0
    for number in range(600):
        (turn,) = converse_freely(np.random.default_rng(number), HEART_AND_STAR, 1)
        text = turn.request.lower()
        if turn.kind == "correct" and "heart" in text and "star" in text:
            assert turn.removed == ((1,) if text.index("star") > text.index("heart") else (0,))
            found += 1
    assert found > 10


def test_it_means_what_the_question_was_about(talks) -> None:
    found = 0
    for _, turns in talks:
        for before, turn in pairwise(turns):
            if turn.kind == "it":
                assert before.kind == "is there" and "Yes, there is" in before.reply
                assert len(turn.removed) == 1
                found += 1
            if turn.kind == "only it":
                assert before.kind == "is there" and turn.removed
    assert found > 15


def test_unknown_things_are_named_as_absent() -> None:
    named = 0
    for number in range(400):
        rng = np.random.default_rng(number)
        for turn in converse_freely(rng, HEART_AND_STAR, 1, strange=("zither",)):
            if "zither" in turn.request:
                assert "There is no zither." in turn.reply and turn.removed == ()
                named += 1
    assert named > 5


def test_templates_are_not_those_of_the_other_conversations() -> None:
    free = {*free_phrasings.NOT_BUT, *free_phrasings.FORBID, *free_phrasings.CORRECT}
    assert not free & {*phrasings.REMOVE, *phrasings.KEEP, *phrasings.DISTRACT}
    for name in ("NOT_BUT", "CORRECT"):
        templates = getattr(free_phrasings, name)
        assert all("{it}" in t and "{other}" in t for t in templates)
        assert len(set(templates)) == len(templates)
