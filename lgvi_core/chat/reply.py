"""The chat model's reply to a request, with the prompt in it and its features (Sec. 4.2)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from ..errors import LGVIError
from .conversation import Turn, render
from .features import pad_features, prompt_span
from .history import MAX_CHARACTERS, check_turns
from .marks import find_prompt
from .model import ChatModel
from .phrases import noun_phrases
from .tokens import decode, encode
from .vision import prepare_pixels

TEMPERATURE = 0.2
MAX_TOKENS = 1024

ReplyCallback = Callable[[int, str], None]
"""Function called after every token with the number of tokens and the text so far.

It may raise an exception to stop the reply.
"""


@dataclass(frozen=True)
class Reply:
    """A reply of the chat model: its `text`, and what follows from it.

    `prompt` is the removal prompt and `objects` its noun phrases. Both are empty where the model
    gave no prompt, and `reason` then says why, for the person to read. `features` [1, n, d] are the
    prompt's features for cross-attention, float32; None without a prompt or without an MM head.
    `history` holds all turns, this one last.
    """

    text: str
    prompt: str
    objects: tuple[str, ...]
    reason: str
    features: Tensor | None
    history: tuple[Turn, ...]


@torch.inference_mode()
def reply(
    model: ChatModel,
    frames: Tensor,
    request: str,
    history: Sequence[Turn] = (),
    seed: int = 0,
    temperature: float = TEMPERATURE,
    max_tokens: int = MAX_TOKENS,
    callback: ReplyCallback | None = None,
) -> Reply:
    """Ask `model` a `request` about `frames` [f, h, w, 3], float 0 to 1, and return its reply.

    The same seed gives the same reply; temperature 0 takes the most likely token each time. Raises
    LGVIError where `prepare_inputs` does, for a negative temperature, and for `max_tokens` below 1.
    """
    if not 0 <= temperature < math.inf or max_tokens < 1:
        raise LGVIError("temperature must be 0 or more, and the reply at least 1 token long")
    ids, pixels = prepare_inputs(model, frames, request, history)
    room = model.context_length - len(ids)
    limit = min(max_tokens, room)
    tokens, states = _generate(model, ids, pixels, seed, temperature, limit, callback)
    text = decode(model.tokenizer, tokens).strip()
    found = find_prompt(tokens, lambda part: decode(model.tokenizer, part))
    turns = (*history, Turn(request, text))
    ended = bool(tokens) and tokens[-1] == model.tokenizer.eos_token_id
    if found is None or not (found.closed or ended):
        return Reply(text, "", (), _why_no_prompt(ended, limit, room), None, turns)
    features = None
    if model.llava.mm_head is not None:
        span = prompt_span(found, len(states), model.format)
        features = model.llava.mm_head(states[None, span.start : span.stop]).float()
        features = pad_features(features, model.format)
    return Reply(text, found.text, noun_phrases(found.text), "", features, turns)


def prepare_inputs(
    model: ChatModel, frames: Tensor, request: str, history: Sequence[Turn] = ()
) -> tuple[list[int], Tensor]:
    """Return the token ids of the conversation up to the reply, and the images [m, 3, s, s].

    The model's weights are not used. Raises LGVIError for a request that is empty or endless, for
    `frames` of a wrong shape or with values that are not finite, for a conversation of too many
    turns, and for one that leaves no room for a reply in the model's context.
    """
    if not request.strip():
        raise LGVIError("the request is empty: say what to remove, or what to keep")
    if len(request) > MAX_CHARACTERS:
        raise LGVIError(
            f"the request has {len(request)} characters, at most {MAX_CHARACTERS} are read"
        )
    check_turns(len(history) + 1)
    chat_format = model.format
    pixels = prepare_pixels(
        frames,
        model.image_size,
        chat_format.framing,
        chat_format.frames,
        model.image_mean,
        model.image_std,
    )
    special = model.tokenizer.all_special_tokens
    text = render(request, history, len(pixels), chat_format.system_prompt, special)
    ids = encode(model.tokenizer, text, model.image_token, model.patches)
    if len(ids) >= model.context_length:
        raise LGVIError(
            f"the conversation has {len(ids)} tokens, this model reads {model.context_length}: "
            "shorten the request, or start anew without the history"
        )
    return ids, pixels


class _AfterEachToken(StoppingCriteria):
    """Stopping criterion that never stops: it calls back after every token, which may raise."""

    def __init__(self, model: ChatModel, skipped: int, callback: ReplyCallback) -> None:
        self.model, self.skipped, self.callback = model, skipped, callback

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:
        tokens = input_ids[0, self.skipped :].tolist()
        self.callback(len(tokens), decode(self.model.tokenizer, tokens))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class _NumbersOnly(LogitsProcessor):
    """Check of the scores of every token before one is drawn by them."""

    def __call__(self, input_ids: Tensor, scores: Any) -> Any:
        if bool((scores.isnan() | (scores == math.inf)).any()):
            raise LGVIError(
                "the chat model's numbers are NaN or infinite: choose another precision in Load "
                "LGVI Chat; if that does not help, its files are damaged"
            )
        return scores


def _generate(
    model: ChatModel,
    ids: list[int],
    pixels: Tensor,
    seed: int,
    temperature: float,
    max_tokens: int,
    callback: ReplyCallback | None,
) -> tuple[list[int], Tensor]:
    """Return the reply's tokens, and the last layer's states [n, hidden] of all but the last.

    The model never reads the last token: it is the end token, or the limit was reached.
    """
    llava: Any = model.llava.llava
    device = next(llava.parameters()).device
    input_ids = torch.tensor([ids], device=device)
    tokenizer = model.tokenizer
    sampling: dict[str, Any] = {"do_sample": temperature > 0}
    if temperature > 0:
        sampling["temperature"] = temperature
    config = GenerationConfig(
        max_new_tokens=max_tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id
        if tokenizer.pad_token_id is None
        else tokenizer.pad_token_id,
        **sampling,
    )
    watching = StoppingCriteriaList()
    if callback is not None:
        watching.append(_AfterEachToken(model, len(ids), callback))
    states: list[Tensor] = []
    # The output layer reads the last layer's states, so a hook on it spares a second pass and
    # the memory for all other layers' states.
    handle = llava.get_output_embeddings().register_forward_pre_hook(
        lambda _, inputs: states.append(inputs[0][0, -1:])
    )
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            sequences = llava.generate(
                input_ids=input_ids,
                attention_mask=torch.ones_like(input_ids),
                pixel_values=pixels.to(device, llava.dtype),
                generation_config=config,
                stopping_criteria=watching,
                logits_processor=LogitsProcessorList([_NumbersOnly()]),
            )
    finally:
        handle.remove()
    # The first state belongs to the last token of the request.
    return sequences[0, len(ids) :].tolist(), torch.cat(states)[1:]


def _why_no_prompt(ended: bool, limit: int, room: int) -> str:
    if ended:
        return "The model named nothing to remove. Answer it in the next request."
    told = f"The reply broke off after {limit} tokens, before the end of a removal prompt: "
    if limit == room:
        return told + "the model reads no more. Start anew without the history."
    return told + "raise the maximum length."
