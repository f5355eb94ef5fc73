"""Conversations as token ids, with every picture as its patches."""

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
