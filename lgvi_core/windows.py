"""Overlapping windows for clips longer than the model was trained on."""

import torch
from torch import Tensor

from .errors import LGVIError


def context_windows(frames: int, length: int, overlap: int) -> list[range]:
    """Windows of ``length`` frames that cover ``frames`` with at least ``overlap`` shared ones.

    Every window is whole; a clip no longer than one window is one window.
    """
    if length < 1 or not 0 <= overlap < length:
        raise LGVIError(
            f"windows of {length} frames cannot overlap by {overlap}: the overlap must be smaller"
        )
    if frames <= length:
        return [range(frames)]
    starts = [*range(0, frames - length, length - overlap), frames - length]
    return [range(start, start + length) for start in starts]


def window_weights(window: range, frames: int, overlap: int) -> Tensor:
    """Blending weights [len(window)]: ramps over the overlaps, flat where a clip begins or ends."""
    length = len(window)
    ramp = torch.arange(1, length + 1, dtype=torch.float32).clamp(max=overlap + 1) / (overlap + 1)
    weights = torch.ones(length)
    if window.start > 0:
        weights = torch.minimum(weights, ramp)
    if window.stop < frames:
        weights = torch.minimum(weights, ramp.flip(0))
    return weights
