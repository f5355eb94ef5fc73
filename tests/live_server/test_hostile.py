"""A real server survives what is hostile: the next run is right, and no file stays behind."""

import json
import time
from pathlib import Path

import pytest

from support.graphs import chat_graph, failure, graph, node
from support.tiny_chat import make_chat_folder


@pytest.fixture
def panicking(server):
    """A chat model whose tokenizer's library panics at the first text."""
    folder = server.base / "models" / "lgvi_chat" / "panicking"
    if not folder.is_dir():
        make_chat_folder(folder)
        path = folder / "tokenizer.json"
        values = json.loads(path.read_text())
        steps = [{"type": "FixedLength", "length": 0}, values["pre_tokenizer"]]
        values["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
        path.write_text(json.dumps(values))
    return folder


def test_the_worker_survives_a_panic_of_the_tokenizer(server, panicking):
    prompt = chat_graph()
    loader = next(v for v in prompt.values() if v["class_type"] == "LGVI_LoadChat")
    loader["inputs"]["model"] = panicking.name
    error = failure(server, prompt)
    assert "the tokenizer of this chat model cannot be used" in str(error)
    assert "text" in server.run(chat_graph(seed=77))["chat"], "the next prompt runs"


@pytest.mark.parametrize("fps", [29.97, 23.976, 59.94])
def test_stock_create_video_of_cameras_rates_is_taken(server, fps):
    whole = graph()
    kept = ("load", "positive", "negative", "video", "parts", "frames")
    prompt = {name: whole[name] for name in kept}
    prompt["camera"] = node("CreateVideo", images=["frames", 0], fps=fps)
    settings = {"working_size": 64, "working_fps": 0.0, "seed": 1, "steps": 1}
    settings |= {"text_scale": 1.0, "video_scale": 1.0, "sampler": "euler", "scheduler": "normal"}
    settings |= {"window": 4, "overlap": 1, "segment": 6, "threshold": 0.5, "grow": 0}
    prompt["remove"] = node(
        "LGVI_RemoveFromVideo",
        model=["load", 0],
        vae=["load", 2],
        positive=["positive", 0],
        negative=["negative", 0],
        video=["camera", 0],
        feather=0,
        crf=16,
        **settings,
    )
    prompt["save"] = node(
        "SaveVideo", video=["remove", 0], filename_prefix="rate", format="auto", codec="auto"
    )
    (item,) = server.run(prompt)["save"]["images"]
    assert item["filename"].startswith("rate")


def test_temporary_files_go_when_nothing_needs_them(server):
    """Only what ComfyUI still shows or keeps in its cache may be there."""
    folder = server.base / "temp" / "lgvi"
    server.post("/history", {"clear": True})
    server.post("/free", {"unload_models": False, "free_memory": True})
    deadline = time.monotonic() + 30
    while files_in(folder) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert files_in(folder) == []
    assert not list((server.base / "temp").glob("lgvi_*"))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))
