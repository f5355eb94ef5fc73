"""ComfyUI's conditionings for the guidance: text and video, video alone, neither."""

from typing import Any

import node_helpers
import torch
from torch import Tensor

from ...lgvi_core.errors import LGVIError
from .checks import BRANCH_KEY, TEXT_VIDEO, UNCONDITIONAL, VIDEO
from .model import FEATURES_KEY

Conditioning = list[Any]
"""ComfyUI's CONDITIONING: a list of pairs of text features [1, n, d] and options by name."""

SOURCE_SIZE_KEY = "lgvi_source_size"
"""Key under which a LATENT keeps the (height, width) of the source frames in pixels."""


def branches(
    positive: Conditioning, negative: Conditioning, c_x: Tensor
) -> tuple[Conditioning, Conditioning, Conditioning]:
    """Make the three conditionings of the guidance: text and video, video alone, neither.

    `c_x` [f, 4, h, w] are the source's latents as the VAE gives them, not scaled. Each is marked
    with the output that it is, so that swapped wires are noticed.
    """
    with_video = {"concat_latent_image": c_x}
    neither = [[text, {k: v for k, v in o.items() if k not in with_video}] for text, o in negative]
    return (
        node_helpers.conditioning_set_values(positive, {**with_video, BRANCH_KEY: TEXT_VIDEO}),
        node_helpers.conditioning_set_values(negative, {**with_video, BRANCH_KEY: VIDEO}),
        node_helpers.conditioning_set_values(neither, {BRANCH_KEY: UNCONDITIONAL}),
    )


def unconditional(positive: Conditioning, negative: Conditioning | None) -> Conditioning:
    """Return the conditioning without text: `negative`, or zeros for features of an MM head.

    Raises LGVIError where `negative` is missing, or is given although it must be zeros.
    """
    if not any(FEATURES_KEY in options for _, options in positive):
        if negative is None:
            raise LGVIError("negative is open: connect the CLIPTextEncode of an empty sentence")
        return negative
    if negative is not None and any(text.any() for text, _ in negative):
        raise LGVIError(
            "LGVI-I was trained with zeros in place of an empty sentence: leave negative open"
        )
    return [[torch.zeros_like(text), dict(options)] for text, options in positive]
