"""The chat nodes in a real ComfyUI server, with a random chat model."""

import json
import threading
import time

import pytest

from support.graphs import chat_graph, failure, node
from tools.comfyui.server import PromptFailed


def test_a_reply_without_prompt_ends_the_run_as_a_success(server):
    outputs = server.run(chat_graph())
    shown = outputs["chat"]["text"][0]
    assert "before the end of a removal prompt: raise the maximum length" in shown
    assert shown.startswith(outputs["reply"]["text"][0])
    (turn,) = json.loads(outputs["history"]["text"][0])
    assert turn == {"request": "remove the star", "reply": outputs["reply"]["text"][0]}
    assert "prompt" not in outputs, "what needs the prompt does not run"


def test_the_history_goes_from_node_to_node(server):
    graph = chat_graph()
    graph["again"] = node(
        "LGVI_Chat", **{**graph["chat"]["inputs"], "request": "more", "history": ["chat", 4]}
    )
    graph["all"] = node("PreviewAny", source=["again", 4])
    turns = json.loads(server.run(graph)["all"]["text"][0])
    assert [turn["request"] for turn in turns] == ["remove the star", "more"]


def test_a_node_remembers_while_it_is_told_to(server):
    def requests(client="page", **options):
        outputs = server.wait(server.queue(chat_graph(**options), client=client))
        return [turn["request"] for turn in json.loads(outputs["history"]["text"][0])]

    assert requests(request="first", remember=True) == ["first"]
    assert requests(request="second", remember=True) == ["first", "second"]
    assert requests(request="second", remember=True, seed=1) == ["first", "second"], "tried again"
    assert requests(request="other", remember=True, client="another page") == ["other"]
    assert requests(request="third", remember=False) == ["third"]
    assert requests(request="fourth", remember=True) == ["fourth"]


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"request": "  "}, "chat", "request is empty"),
        ({"request": "word " * 10_000}, "chat", "shorten the request"),
        ({"history": "hello"}, "chat", "history is not one of LGVI Chat"),
    ],
)
def test_wrong_input_is_an_error_at_the_node(server, changes, name, message):
    error = failure(server, chat_graph(**changes))
    assert message in str(error)
    assert error.details["node_id"] == name


def test_a_missing_chat_model_is_refused_before_anything_runs(server):
    assert "Put a LLaVA folder into" in str(failure(server, chat_graph(model="nothing")))


def test_a_folder_that_is_no_llava_is_named(server):
    folder = server.base / "models" / "lgvi_chat" / "other"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    assert "not a LLaVA" in str(failure(server, chat_graph(model="other")))


def test_a_replaced_model_is_loaded_again(server):
    folder = server.base / "models" / "lgvi_chat" / "tiny-chat"
    server.run(chat_graph(seed=5))
    path = folder / "lgvi_chat.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "framing": "stretch"}))
    try:
        assert "framing" in str(failure(server, chat_graph(seed=6)))
    finally:
        path.write_text(json.dumps(values))
    assert server.run(chat_graph(seed=7))


def test_a_reply_can_be_cancelled_within_a_token(server):
    outcome = []

    def queue():
        try:
            outcome.append(server.run(chat_graph(model="endless-chat", length=1900, seed=11)))
        except PromptFailed as error:
            outcome.append(error)

    thread = threading.Thread(target=queue)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.get("/queue")["queue_running"] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5)
    start = time.monotonic()
    server.post("/interrupt", {})
    thread.join(30)
    assert time.monotonic() - start < 5
    assert isinstance(outcome[0], PromptFailed), "it was still talking"
    assert server.run(chat_graph(seed=12))
