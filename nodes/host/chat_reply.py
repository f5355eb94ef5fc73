"""One request to the chat model, with ComfyUI's memory, progress and cancelling."""

import time
from typing import Any

import comfy.model_management
import comfy.utils
from comfy_execution.graph_utils import ExecutionBlocker

from ...lgvi_core.chat.reply import Reply, prepare_inputs, reply
from .chat_model import ComfyChat
from .model import FEATURES_KEY

SECONDS_BETWEEN_TEXTS = 0.2
"""How often the growing reply is sent to the page."""


def run(chat: ComfyChat, frames, request, turns, seed, temperature, max_length, show) -> Reply:
    """The reply, given to `show` while it grows; cancelled within a token."""
    bar = comfy.utils.ProgressBar(max_length)
    last_shown = 0.0

    def watch(count: int, text: str) -> None:
        nonlocal last_shown
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(count)
        if time.monotonic() - last_shown >= SECONDS_BETWEEN_TEXTS:
            last_shown = time.monotonic()
            show(text)

    ids, _ = prepare_inputs(chat.model, frames, request, turns)
    chat.load(min(len(ids) + max_length, chat.model.context_length))
    answer = reply(chat.model, frames, request, turns, seed, temperature, max_length, watch)
    bar.update_absolute(max_length)
    show(f"{answer.text}\n\n{answer.reason}".strip())
    return answer


def stop_if_silent(answer: Reply, value: Any) -> Any:
    """`value`, or without a prompt a stop for the nodes behind this output.

    They would spend minutes on nothing; without a message, the run ends as a success.
    """
    return value if answer.prompt else ExecutionBlocker(None)


def conditioning_of(answer: Reply) -> Any:
    """The prompt's features as CONDITIONING; a two-stage model's is refused where it is used."""
    if answer.features is None:
        return ExecutionBlocker(
            "this chat model has no MM head, so it cannot drive LGVI-I end to end. Connect LGVI "
            "Chat's prompt to CLIPTextEncode (two-stage), or choose end-to-end weights in Load "
            "LGVI Chat."
        )
    return [[answer.features.cpu(), {FEATURES_KEY: "mm_head"}]]
