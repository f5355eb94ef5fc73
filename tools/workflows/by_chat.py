"""Workflows that talk with a chat model."""

from ..workflows.graph import Graph
from ..workflows.parts import CHAT_MODEL, END_TO_END_MODEL, ask, remove_and_save, sentence, source


def interactive_two_stage(graph: Graph) -> None:
    """Two-stage removal: the chat model's prompt is text for the video model."""
    video = source(
        graph,
        "**Say what you want, the chat model finds out what has to go.** Its prompt becomes text "
        "for the video model. Where it asks back instead, answer it in *request*, switch "
        "*remember* on, and queue again.",
        "用日常语言提出要求，对话模型会判断要去掉什么。它反问时，在“请求”里回答并打开“记住”。",
    )
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = ask(graph, chat, video, "The star distracts from the fish, can you help?")
    model, conditions = sentence(graph, asked["prompt"])
    remove_and_save(graph, model, video, conditions)


def interactive_end_to_end(graph: Graph) -> None:
    """LGVI-I: the chat model's hidden states reach the video model through the MM head."""
    video = source(
        graph,
        "**End to end (LGVI-I).** The hidden states of the chat's prompt guide the video model "
        "directly, without a text encoder: *conditioning* goes to *positive*, and *negative* "
        "stays open. Chat and video model belong together.",
        "端到端（LGVI-I）：对话模型的隐藏状态直接引导视频模型。两个模型要配套。",
    )
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = ask(graph, chat, video, "I only want to keep the fish and the heart.")
    model = graph.add("LGVI_LoadModel", model=END_TO_END_MODEL)
    remove_and_save(graph, model, video, {"positive": asked["conditioning"]})


def multi_turn(graph: Graph) -> None:
    """A conversation of three turns, each a node LGVI Chat with the history of the one before."""
    video = source(
        graph,
        "**A conversation in one graph.** Each LGVI Chat is given the *history* of the one "
        "before, and the last one's prompt is used. Change a request and queue again: only the "
        "turns from there on run anew.",
        "一张图里的三轮对话：每个“LGVI 对话”接上一轮的历史，使用最后一轮的提示。",
    )
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = ask(graph, chat, video, "What do you see?", title="First turn")
    requests = ("Remove the fish.", "Sorry, I meant the star instead.")
    for request, title in zip(requests, ("Second turn", "Third turn"), strict=True):
        asked = ask(graph, chat, video, request, title, history=asked["history"])
    model, conditions = sentence(graph, asked["prompt"])
    remove_and_save(graph, model, video, conditions)
