"""Conversations as token ids, with every picture as its patches."""

from collections.abc import Sequence
from typing import Any

from .conversation import IMAGE


def encode(tokenizer: Any, text: str, image_token: int, patches: int) -> list[int]:
    """Ids of a rendered conversation: the start token if there is one, then text and pictures.

    What stands between pictures is tokenised piece by piece, as LLaVA was trained; each picture
    becomes `patches` times `image_token`.
    """
    ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    for number, piece in enumerate(text.split(IMAGE)):
        if number:
            ids += [image_token] * patches
        if piece:
            ids += tokenizer(piece, add_special_tokens=False).input_ids
    return ids


def token_starts(tokenizer: Any, text: str, patches: int) -> list[int]:
    """Where in `text` each of `encode`'s tokens begins; the start token at -1.

    Only for tokenizers that know, the fast ones.
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
    """The text of a reply's tokens, without special ones, exactly as they spell it."""
    text: str = tokenizer.decode(
        list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text
