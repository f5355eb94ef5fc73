"""A request to the chat model, with ComfyUI's memory management, progress and cancelling."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.utils
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from ...lgvi_core.chat.conversation import Turn
from ...lgvi_core.chat.reply import Reply, prepare_inputs, reply
from .chat_model import ComfyChat
from .conditioning import Conditioning
from .model import FEATURES_KEY

SECONDS_BETWEEN_TEXTS = 0.2
"""Shortest time between two updates of the growing reply on the page, in seconds."""


def run(
    chat: ComfyChat,
    frames: Tensor,
    request: str,
    turns: Sequence[Turn],
    seed: int,
    temperature: float,
    max_length: int,
    show: Callable[[str], None],
) -> Reply:
    """Reply to `request` about `frames` [f, h, w, 3], 0 to 1, after the `turns` before it.

    `show` gets the reply while it grows; `max_length` is its limit in tokens. Cancelling takes
    effect at the next token.
    """
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
    """Return `value`; without a prompt in the answer, block the nodes after this output instead.

    They would spend minutes on nothing. The block has no message, so the run ends as a success.
    """
    return value if answer.prompt else ExecutionBlocker(None)


def conditioning_of(answer: Reply) -> Conditioning | ExecutionBlocker:
    """Return the prompt's features as CONDITIONING.

    A two-stage model has none; a node that uses this output then stops with a message.
    """
    if answer.features is None:
        return ExecutionBlocker(
            "this chat model has no MM head, so it cannot drive LGVI-I end to end. Connect LGVI "
            "Chat's prompt to CLIPTextEncode (two-stage), or choose end-to-end weights in Load "
            "LGVI Chat."
        )
    return [[answer.features.cpu(), {FEATURES_KEY: "mm_head"}]]
