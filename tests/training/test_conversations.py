"""Generated conversations: replies are right, prompts can be read back, and vision is needed."""

import itertools
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from lgvi_core.chat.marks import find_prompts
from train.data.drawn.numbered import scene_of
from train.data.drawn.scenes import SceneObject
from train.data.drawn.sprites import NOUNS
from train.data.language import phrasings
from train.data.language.conversations import KINDS, Conversation, converse, make_conversation
from train.data.language.expressions import (
    MOTION_WORDS,
    absent_object,
    describe_object,
    describe_removal,
)
from train.data.language.prompts import (
    describe_scene,
    from_left,
    is_sentence,
    parse_prompt,
    removal_prompt,
    scene_sentence,
    seen_parts,
)

RED_LEFT, RED_RIGHT, BLUE = 0, 1, 2


def thing(noun: str, colour: str, x: float, y: float = 0.5, size: float = 0.3) -> SceneObject:
    path = np.array([[x, y]])
    return SceneObject(noun, colour, (1.0, 0.0, 0.0), size, path, np.zeros(1), False)


def prompt_of(reply: str) -> str | None:
    """The prompt in a reply, as the chat finds it; every character counts as a token."""
    codes = [ord(letter) for letter in reply]
    prompts = find_prompts(codes, lambda part: "".join(map(chr, part)))
    assert len(prompts) <= 1
    return prompts[0].text if prompts else None


@pytest.fixture(scope="module")
def talks() -> list[Conversation]:
    return [make_conversation("train", n, 4, 128, 160) for n in range(1500)]


@pytest.fixture(scope="module")
def balls() -> list[SceneObject]:
    """Two red balls, on the left and on the right, and a big blue cup above the middle."""
    return [
        thing("ball", "red", 0.2),
        thing("ball", "red", 0.8),
        thing("cup", "blue", 0.5, 0.2, 0.5),
    ]


def test_the_same_number_gives_the_same_conversation(talks):
    again = make_conversation("train", 7, 4, 128, 160)
    assert again.turns == talks[7].turns
    assert make_conversation("held-out", 7, 4, 128, 160).turns != again.turns


def test_every_kind_comes_up_and_most_turns_have_prompts(talks):
    kinds = Counter(turn.kind for talk in talks for turn in talk.turns)
    assert kinds.keys() == set(KINDS)
    assert min(kinds.values()) > 20
    turns = [turn for talk in talks for turn in talk.turns]
    assert 0.5 < np.mean([turn.has_prompt for turn in turns]) < 0.85
    lengths = Counter(len(talk.turns) for talk in talks)
    assert lengths.keys() == {1, 2, 3}
    assert lengths[2] + lengths[3] > 0.3 * len(talks)


def test_prompts_name_what_goes_and_replies_without_one_remove_nothing(talks):
    for talk in talks:
        for turn in talk.turns:
            prompt = prompt_of(turn.reply)
            assert (prompt is not None) == turn.has_prompt == bool(turn.removed)
            if prompt is not None:
                assert parse_prompt(prompt, talk.objects) == turn.removed, (prompt, turn)
                assert is_sentence(prompt)
                assert turn.reply.endswith(f"{{{{prompt}}}} {prompt} {{{{/prompt}}}}")


def test_replies_say_what_is_there_from_left_to_right(talks):
    for talk in talks:
        scene = describe_scene(talk.objects)
        assert scene_sentence(talk.turns[0].reply) == scene
        assert all(scene_sentence(turn.reply) in (scene, "") for turn in talk.turns)
        order = [talk.objects[i] for i in from_left(talk.objects)]
        found = re.findall(r"an? (?:big |small )?(\w+) (\w+)", scene)
        assert found == [(o.colour, o.noun) for o in order]


def test_what_is_told_is_the_scene_without_the_answers(talks):
    for talk in talks:
        for turn in talk.turns:
            parts = [turn.reply[part.start : part.stop] for part in seen_parts(turn.reply)]
            assert "".join(parts) == scene_sentence(turn.reply)


def test_requests_are_put_in_many_ways_and_never_by_motion(talks):
    requests = [turn.request for talk in talks for turn in talk.turns]
    assert len(set(requests)) > 0.85 * len(requests)
    assert 0.2 < np.mean([r[0].islower() for r in requests]) < 0.5
    for text in (t for talk in talks for turn in talk.turns for t in (turn.request, turn.reply)):
        assert not re.search(rf"\b({'|'.join(MOTION_WORDS)})\b", text)
    for name in ("REMOVE", "KEEP", "DISTRACT", "EMPTY", "LOOK", "THANKS", "UNANSWERABLE"):
        assert len(set(getattr(phrasings, name))) >= 20


def test_templates_name_the_objects_they_are_given():
    for name in ("REMOVE", "KEEP", "TOO", "INSTEAD", "ANSWER", "DISTRACT"):
        for template in getattr(phrasings, name):
            assert template.count("{it}") == 1, template
            assert template.count("{other}") == (name == "DISTRACT"), template


def test_the_same_request_over_another_clip_needs_another_reply(talks):
    """A model that does not look cannot pass, since requests seldom name what the prompt says."""
    first = [(talk.turns[0], talk) for talk in talks]
    prompts = defaultdict(set)
    for turn, _ in first:
        if turn.has_prompt:
            prompts[turn.request.lower().rstrip(".!")].add(prompt_of(turn.reply))
    repeated = {r: p for r, p in prompts.items() if len(p) > 1}
    assert repeated
    with_prompt = [turn for talk in talks for turn in talk.turns if turn.has_prompt]
    told = [
        prompt_of(turn.reply).removeprefix("remove the ") in turn.request.lower()
        or turn.kind == "empty"
        for turn in with_prompt
    ]
    assert np.mean(told) < 0.3


def test_absent_objects_are_absent(talks):
    turns = [(t, talk) for talk in talks for t in talk.turns if t.kind == "absent"]
    for turn, talk in turns:
        words = re.search(r"There is no (.+?)\.", turn.reply)[1]
        assert words in turn.request.lower()
        for o in talk.objects:
            assert words not in (o.noun, f"{o.colour} {o.noun}")


def test_unclear_requests_are_asked_back_and_the_answer_counts(talks):
    seen = Counter()
    for talk in talks:
        for one, following in itertools.pairwise(talk.turns):
            if one.kind == "ambiguous":
                assert "Which one" in one.reply
                seen[following.kind] += 1
                if following.kind == "answer":
                    assert 1 <= len(following.removed) <= 2
    assert seen["answer"] > 0.8 * seen.total()


def test_too_adds_and_instead_replaces(talks):
    for talk in talks:
        for one, following in itertools.pairwise(talk.turns):
            if following.kind == "too":
                assert {*one.removed} < {*following.removed}
                assert len(following.removed) == len(one.removed) + 1
            if following.kind == "instead":
                assert len(following.removed) == 1
                assert not {*one.removed} & {*following.removed}


def test_a_reply_to_a_request_says_of_every_object_whether_it_is_meant(talks):
    for talk in talks:
        for turn in talk.turns:
            answers = re.findall(r"\((yes|no)\)", turn.reply)
            if turn.kind in ("look", "greeting", "thanks", "unanswerable", "foreign"):
                assert not answers
                continue
            order = from_left(talk.objects)
            meant = {i for i, word in zip(order, answers, strict=True) if word == "yes"}
            if turn.kind == "keep":
                assert meant == {*range(len(order))} - {*turn.removed}
            elif turn.kind == "ambiguous":
                assert len(meant) == 2
            else:
                assert meant == {*turn.removed}


def test_the_plain_words_name_what_the_request_names(talks):
    wants = [t for talk in talks for t in talk.turns if "You want to" in t.reply]
    for turn in wants:
        plain = re.match(r"You want to (remove|keep) (.+?)\. I see", turn.reply)
        assert plain[1] == ("keep" if turn.kind == "keep" else plain[1])
        assert "thing" not in plain[2].split()
    colours = [
        (colour, turn)
        for turn in wants
        if turn.kind not in ("too", "instead")
        for colour in re.findall("red|blue|green", turn.reply.split(".")[0])
    ]
    assert colours
    assert all(colour in turn.request.lower() for colour, turn in colours)


def test_the_plain_words_of_later_turns_can_be_read_alone(talks):
    """They name all that is to be removed, including what only an earlier turn named."""
    found = 0
    for talk in talks:
        for turn in talk.turns:
            if turn.kind in ("too", "instead"):
                plain = re.match(r"You want to (.+?)\. I see", turn.reply)[1]
                assert parse_prompt(plain, talk.objects) == turn.removed, turn
                found += 1
    assert found > 50


def test_other_languages_are_not_understood(talks):
    turns = [(talk, i) for talk in talks for i, t in enumerate(talk.turns) if t.kind == "foreign"]
    letters = Counter("latin" if talk.turns[i].request.isascii() else "other" for talk, i in turns)
    assert min(letters["latin"], letters["other"]) > 10
    for talk, i in turns:
        reply = talk.turns[i].reply
        assert reply.endswith(phrasings.NOT_UNDERSTOOD)
        assert (scene_sentence(reply) == describe_scene(talk.objects)) == (i == 0)
    for sentences, things in phrasings.FOREIGN:
        assert len(sentences) >= 4 <= len(things)
        assert all(s.count("{it}") <= 1 for s in sentences)


def test_some_requests_are_for_things_that_no_scene_holds(talks):
    absent = [t for talk in talks for t in talk.turns if t.kind == "absent"]
    nouns = [re.search(r"There is no (?:\w+ )?(\w+)\.", turn.reply)[1] for turn in absent]
    strange = np.mean([noun in phrasings.STRANGE for noun in nouns])
    assert 0.15 < strange < 0.35
    assert not {*phrasings.STRANGE} & {*NOUNS}


def test_a_picture_of_nothing():
    rng = np.random.default_rng(0)
    turns = [turn for _ in range(100) for turn in converse(rng, [], 2)]
    assert not any(turn.has_prompt for turn in turns)
    assert "I see only the background." in turns[0].reply
    assert {"empty", "absent"} <= {turn.kind for turn in turns}


def test_canonical_words(balls):
    def words(*removed: int) -> str | None:
        return removal_prompt(balls, removed)

    assert words(BLUE) == "remove the blue cup"
    assert words(RED_RIGHT) == "remove the red ball on the right"
    assert words(BLUE, RED_LEFT) == "remove the red ball on the left and the blue cup"
    assert words(0, 1, 2) == "remove everything"
    assert words() is None
    assert removal_prompt(balls[2:], [0]) == "remove the blue cup"
    assert describe_scene(balls) == (
        "I see a red ball on the left, a big blue cup at the top and a red ball on the right."
    )


def test_size_tells_twins_apart_where_place_does_not():
    twins = [thing("fish", "red", 0.4, 0.4, 0.5), thing("fish", "red", 0.6, 0.6, 0.3)]
    assert removal_prompt(twins, [1]) == "remove the small red fish"
    assert removal_prompt([twins[0], twins[0]], [1]) is None


@pytest.mark.parametrize(
    ("prompt", "removed"),
    [
        ("remove the cup", (BLUE,)),
        ("Remove  the blue thing.", (BLUE,)),
        ("delete the big object", (BLUE,)),
        ("take away the thing on the left", (RED_LEFT,)),
        ("remove the ball on the left and the cup", (RED_LEFT, BLUE)),
        ("remove the cup and the red ball on the right", (RED_RIGHT, BLUE)),
        ("remove everything", (0, 1, 2)),
        ("erase all the objects", (0, 1, 2)),
        ("remove both balls", (0, 1)),
        ("remove both red balls", (0, 1)),
        ("remove the cup at the top", (BLUE,)),
        ("remove the cup at the bottom", None),
        ("remove the small cup", None),
        ("remove the red ball", None),
        ("remove the red ball at the top", None),
        ("remove the green ball", None),
        ("remove the cat", None),
        ("remove both cups", None),
        ("remove the cup and the cat", None),
        ("remove", None),
        ("remove the", None),
        ("the cup", None),
        ("please remove the cup", None),
        ("", None),
    ],
)
def test_prompts_are_judged_by_what_they_name(balls, prompt, removed):
    assert parse_prompt(prompt, balls) == removed


@pytest.mark.parametrize(
    ("prompt", "formed"),
    [
        ("Remove the small green car at the top and the cup.", True),
        ("remove both red boxes", True),
        ("remove all objects", True),
        ("remove the ball and", False),
        ("remove the red", False),
        ("remove the cat on the ball", False),
        ("remove ball", False),
    ],
)
def test_sentences_are_told_from_other_text(prompt, formed):
    assert is_sentence(prompt) == formed


def test_sentences_of_the_video_models_training_are_read_too():
    rng = np.random.default_rng(5)
    read = Counter()
    for number in range(400):
        objects = scene_of("train", number, 4, 1.0).objects
        present = range(len(objects))
        for i in present:
            request = describe_removal(rng, objects, present, [i])
            assert parse_prompt(request.sentence, objects) == request.removed, request
            assert is_sentence(request.sentence)
            read[request.kind] += 1
    assert {"motion", "size", "place", "colour"} <= read.keys()


def test_descriptions_single_out_their_object():
    rng = np.random.default_rng(6)
    for number in range(300):
        objects = scene_of("train", number, 4, 1.0).objects
        for i in range(len(objects)):
            for words in (describe_object(objects, i), describe_object(objects, i, rng)):
                assert parse_prompt(f"remove the {words}", objects) == (i,)
        words = absent_object(rng, objects)
        assert parse_prompt(f"remove the {words}", objects) is None
    assert absent_object(rng, [])
