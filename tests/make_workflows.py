"""Writes the workflow files from their description here.

    COMFYUI_PATH=... python tests/make_workflows.py [NAME ...]

Node ids in a file follow the order of the description: add new nodes at its end.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfy_server import ROOT, running_server
from workflow_graph import Graph, Node, Output

FOLDER = ROOT / "workflows"
CLIP = "lgvi_sample.mp4"
VIDEO_MODEL = "lgvi-mini (bundled)"
END_TO_END_MODEL = "lgvi-mini-i (bundled, end to end)"
CHAT_MODEL = "lgvi-mini-chat (bundled)"
SAMPLING = {"steps": 10, "text_scale": 2.0, "video_scale": 1.0}
WORKING_SIZE = 160


def interactive_two_stage(graph: Graph) -> None:
    """The chat's prompt as text for CLIP."""
    graph.column(320)
    graph.note(
        "**Say what you want, the chat model finds out what has to go.** Its prompt becomes text "
        "for the video model. Where it asks back instead, answer it in *request*, switch "
        "*remember* on, and queue again.",
        150,
    )
    video = graph.add("GetVideoComponents", video=graph.add("LoadVideo", height=330, file=CLIP)[0])
    graph.column(360)
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = _ask(graph, chat, video, "The star distracts from the fish, can you help?")
    graph.column(340)
    model = graph.add("LGVI_LoadModel", model=VIDEO_MODEL)
    positive = graph.add(
        "CLIPTextEncode", "What to remove", "what", clip=model["clip"], text=asked["prompt"]
    )
    negative = graph.add(
        "CLIPTextEncode", "Nothing (keep empty)", "nothing", clip=model["clip"], text=""
    )
    conditions = {"positive": positive[0], "negative": negative[0]}
    _remove_and_save(graph, model, video, conditions)


def interactive_end_to_end(graph: Graph) -> None:
    """The chat's hidden states through the MM head."""
    graph.column(320)
    graph.note(
        "**End to end (LGVI-I).** The hidden states of the chat's prompt guide the video model "
        "directly, without a text encoder: *conditioning* goes to *positive*, and *negative* "
        "stays open. Chat and video model belong together.",
        150,
    )
    video = graph.add("GetVideoComponents", video=graph.add("LoadVideo", height=330, file=CLIP)[0])
    graph.column(360)
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = _ask(graph, chat, video, "I only want to keep the fish and the heart.")
    graph.column(340)
    model = graph.add("LGVI_LoadModel", model=END_TO_END_MODEL)
    _remove_and_save(graph, model, video, {"positive": asked["conditioning"]})


def multi_turn(graph: Graph) -> None:
    """Three turns, each an LGVI Chat that is given the history of the one before."""
    graph.column(320)
    graph.note(
        "**A conversation in one graph.** Each LGVI Chat is given the *history* of the one "
        "before, and the last one's prompt is used. Change a request and queue again: only the "
        "turns from there on run anew.",
        150,
    )
    video = graph.add("GetVideoComponents", video=graph.add("LoadVideo", height=330, file=CLIP)[0])
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    graph.column(360)
    asked = _ask(graph, chat, video, "What do you see?", title="First turn")
    requests = ("Then please take out the star.", "And now the heart too.")
    for request, title in zip(requests, ("Second turn", "Third turn"), strict=True):
        asked = _ask(graph, chat, video, request, title, history=asked["history"])
    graph.column(340)
    model = graph.add("LGVI_LoadModel", model=VIDEO_MODEL)
    positive = graph.add(
        "CLIPTextEncode", "What to remove", "what", clip=model["clip"], text=asked["prompt"]
    )
    negative = graph.add(
        "CLIPTextEncode", "Nothing (keep empty)", "nothing", clip=model["clip"], text=""
    )
    conditions = {"positive": positive[0], "negative": negative[0]}
    _remove_and_save(graph, model, video, conditions)


def _ask(
    graph: Graph, chat: Node, video: Node, request: str, title: str = "", **inputs: Output
) -> Node:
    return graph.add(
        "LGVI_Chat",
        title,
        "what",
        height=420,
        chat=chat["chat"],
        frames=video["images"],
        request=request,
        **inputs,
    )


def _remove_and_save(
    graph: Graph, model: Node, video: Node, conditions: dict[str, Output], seed: int = 1
) -> None:
    """From the conditions to the saved video and a look at the mask."""
    frames = video["images"]
    condition = graph.add(
        "LGVI_VideoConditioning",
        height=190,
        vae=model["vae"],
        frames=frames,
        working_size=WORKING_SIZE,
        **conditions,
    )
    graph.column(320)
    sample = graph.add(
        "LGVI_Sampler",
        model=model["model"],
        text_video=condition["text_video"],
        video=condition["video"],
        unconditional=condition["unconditional"],
        latent=condition["latent"],
        seed=seed,
        **SAMPLING,
    )
    decoded = graph.add("VAEDecode", samples=sample["latent"], vae=model["vae"])
    result = graph.add(
        "LGVI_Composite", source=frames, result=decoded[0], mask=sample["mask"], grow=12, feather=6
    )
    shown = graph.add(
        "LGVI_MaskPreview", height=240, frames=frames, mask=sample["mask"], grow=12, feather=6
    )
    graph.column(380)
    made = graph.add("CreateVideo", images=result[0], fps=video["fps"], audio=video["audio"])
    graph.add("SaveVideo", "Result", height=380, video=made[0], filename_prefix="lgvi/result")
    graph.add("PreviewImage", "Mask", height=300, images=shown[0])


WORKFLOWS: dict[str, tuple[Callable[[Graph], None], str]] = {
    "interactive_two_stage": (interactive_two_stage, "8a0b1c6e-5a53-4a3f-9f6e-3f1f4a2b7c01"),
    "interactive_end_to_end": (interactive_end_to_end, "8a0b1c6e-5a53-4a3f-9f6e-3f1f4a2b7c02"),
    "multi_turn": (multi_turn, "8a0b1c6e-5a53-4a3f-9f6e-3f1f4a2b7c03"),
}


def write(info: dict[str, Any], name: str) -> None:
    make, number = WORKFLOWS[name]
    graph = Graph(info, number)
    make(graph)
    text = json.dumps(graph.workflow(), indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *WORKFLOWS], help="default: all")
    names = parser.parse_args().names
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "input").mkdir()
        with running_server(base) as server:
            info = server.get("/object_info")
    for name in names or WORKFLOWS:
        write(info, name)


if __name__ == "__main__":
    main()
