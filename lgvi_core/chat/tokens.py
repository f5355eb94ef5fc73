"""Conversion of conversations to token ids and back; an image is one token per patch."""

from collections.abc import Sequence
from typing import Any

from ..checkpoint.guard import in_time, panics_as_errors
from .conversation import IMAGE

_NAME = "the tokenizer of this chat model"


def encode(tokenizer: Any, text: str, image_token: int, patches: int) -> list[int]:
    """Return the token ids of a rendered conversation, after a start token if there is one.

    The pieces of text between images are tokenised separately, as in LLaVA's training; each image
    becomes `image_token`, `patches` times. Raises CheckpointError where the tokenizer fails or
    takes too long.
    """

    def encoded() -> list[int]:
        ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        for number, piece in enumerate(text.split(IMAGE)):
            if number:
                ids += [image_token] * patches
            if piece:
                ids += tokenizer(piece, add_special_tokens=False).input_ids
        return ids

    return in_time(encoded, _NAME)


def token_starts(tokenizer: Any, text: str, patches: int) -> list[int]:
    """Return where in `text` each of `encode`'s tokens begins; -1 for the start token.

    The tokenizer must be a fast one, since others do not know.
    """
    starts = [] if tokenizer.bos_token_id is None else [-1]
    place = 0
    for number, piece in enumerate(text.split(IMAGE)):
        if number:
            starts += [place] * patches
            place += len(IMAGE)
        if piece:
            found = tokenizer(piece, add_special_tokens=False, return_offsets_mapping=True)
            starts += [place + first for first, _ in found.offset_mapping]
            place += len(piece)
    return starts


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return the exact text of a reply's tokens, without the special ones.

    Raises CheckpointError where the tokenizer fails.
    """
    with panics_as_errors(_NAME):
        text: str = tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    return text
