"""Conversations: asked of a server or a folder, checked, asked again, left out and counted."""

import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from support.builds import build_config, run, write_clips
from support.openai_server import openai_server
from support.tiny_chat import make_chat_folder
from train.build.config import FolderEngine, ServerEngine
from train.build.export.stage import export
from train.build.people.choices import Choices, MendedTalk
from train.build.people.decisions import items
from train.build.state import State
from train.build.talks import engines
from train.build.talks.checks import (
    cleaned,
    wrong_with_description,
    wrong_with_reply,
    wrong_with_request,
)
from train.data.readers import RoviSource, open_reader

SCENE = "A bright thing crosses a quiet picture from one side to the other."
WISH = "It draws the eye too much. Could I have the picture behind it alone?"


def answers(reply):
    """What a well-behaved model says at each of the three steps."""

    def answer(body):
        system, question = (message["content"] for message in body["messages"])
        if system.startswith("You describe"):
            assert question[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
            return SCENE
        if system.startswith("You play"):
            assert SCENE in question
            return f'Person: "{WISH}"'
        return reply(question[0]["text"])

    return answer


def named(question):
    bare = question.split("What has to go is: ")[1].splitlines()[0].removeprefix("remove ")
    return f"Gladly, I take it away. {{{{prompt}}}} remove {bare} {{{{/prompt}}}}"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A build with candidates, whose conversations each test writes anew."""
    folder = tmp_path_factory.mktemp("talks")
    clips = write_clips(folder / "clips")
    run(build_config(folder, clips))
    return folder


def config_for(base, url, **engine):
    talks = {"describe": {"kind": "server", "url": url, "model": "tiny", **engine}}
    return build_config(base, base / "clips", talks=talks)


def test_talks_reach_the_data_set_as_people_left_them(base):
    with openai_server(answers(named)) as (url, asked):
        config = config_for(base, url)
        report = run(config, ("talks",))["talks"]
        assert (report.total, report.left_out) == (2, {})
        assert len(asked) == 6
        assert {request["path"] for request in asked} == {"/v1/chat/completions"}
        assert run(config, ("talks",))["talks"].skipped == 2
        assert len(asked) == 6
    first, second = items(config)
    made = State(config.state).result("talks", first.key)
    assert made.facts["talks"][0]["request"] == WISH
    choices = Choices(config.state)
    mended = "Sure. {{prompt}} remove it {{/prompt}}"
    choices.mend_talk(MendedTalk(first.name, made.made_with, "Ada", "keep", "No thing!", mended))
    other = State(config.state).result("talks", second.key)
    choices.mend_talk(MendedTalk(second.name, other.made_with, "Ada", "drop", WISH, "x"))
    choices.close()
    output = export(config)
    reader = open_reader(RoviSource(kind="rovi", root=output))
    turns = [reader.examine(i).turns for i in range(2)]
    assert turns == [(("No thing!", mended),), ()]
    assert "language models (tiny)" in (output / "README.md").read_text()


def test_what_a_check_refuses_is_asked_again_and_then_left_out(base):
    tries = []

    def stubborn(question):
        tries.append(question)
        return "Sure, done."

    with openai_server(answers(stubborn)) as (url, _):
        config = config_for(base, url, temperature=0.1)
        report = run(config, ("talks",))["talks"]
    assert len(tries) == 2 * 3
    assert all(
        "no reply in 3 tries: the last one has 0 prompts" in reason
        for reason in report.left_out.values()
    )
    assert len(report.left_out) == 2


def test_a_busy_server_gets_time_and_a_wrong_one_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "_PAUSE", 0.01)
    frame = np.zeros((8, 8, 3), np.uint8)
    (tmp_path / "key").write_text("secret\n")
    busy = iter([503, 429, "yes"])
    with openai_server(lambda body: next(busy)) as (url, asked):
        config = ServerEngine(kind="server", url=url, model="m", key_file=tmp_path / "key")
        assert engines.open_engine(config)("system", "question", frame, 7) == "yes"
    assert {(request["seed"], request["key"]) for request in asked} == {(7, "Bearer secret")}
    with openai_server(lambda body: 401) as (url, asked):
        wrong = ServerEngine(kind="server", url=url, model="m")
        with pytest.raises(LGVIError, match="401"):
            engines.open_engine(wrong)("system", "question", None, 0)
        assert len(asked) == 1
    with pytest.raises(LGVIError, match="no answer of"):
        engines.open_engine(wrong)("system", "question", None, 0)


def test_a_llava_in_a_folder_answers(tmp_path):
    folder = make_chat_folder(tmp_path / "chat")
    ask = engines.open_engine(FolderEngine(kind="folder", folder=folder, max_tokens=16))
    frame = np.zeros((32, 48, 3), np.uint8)
    assert ask("Be kind.", "remove the cup", frame, 1) == ask(
        "Be kind.", "remove the cup", frame, 1
    )
    assert isinstance(ask("Be kind.", "remove the cup", None, 2), str)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Could the picture be without it?", ""),
        ("Please use the mask of the dog there.", "names a mask"),
        ("remove the red ball on the left", "is a plain order"),
        ("No thanks.", "is too short"),
        ("Take {{prompt}} remove it {{/prompt}} away please", "has prompt marks"),
        ("word " * 200, "is too long"),
    ],
)
def test_requests_that_cannot_be_used_are_told_apart(text, reason):
    assert wrong_with_request(text) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Sure, here you are. {{prompt}} remove the red ball {{/prompt}}", ""),
        ("Sure, here you are. {{prompt}} remove the ball in red {{/prompt}}", ""),
        ("Sure, here you are: it is gone.", "has 0 prompts"),
        ("{{prompt}} remove the red ball {{/prompt}} {{prompt}} it {{/prompt}}", "has 2 prompts"),
        ("Sure, here you are. {{prompt}} remove the red ball", "has 1 prompts"),
        ("Here you are. {{prompt}} remove the blue cat {{/prompt}}", "its prompt does not name"),
    ],
)
def test_replies_that_cannot_be_used_are_told_apart(text, reason):
    assert wrong_with_reply(text, ["the red ball"]).startswith(reason)
    assert bool(wrong_with_reply(text, ["the red ball"])) == bool(reason)


def test_labels_and_quotes_of_an_answer_are_no_part_of_it():
    assert cleaned('Person:  "I would like\n that."') == "I would like that."
    assert wrong_with_description("Too short.") == "is too short"
