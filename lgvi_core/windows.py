"""Overlapping windows for clips longer than the model was trained on."""

import torch
from torch import Tensor

from .errors import LGVIError

GOLDEN_RATIO = 0.618034
"""Its multiples, less their whole parts, are spread evenly however many are taken."""


def context_windows(
    frames: int, length: int, overlap: int, stride: int = 1, phase: float = 0.0
) -> list[range]:
    """Windows of ``length`` frames that cover ``frames`` with at least ``overlap`` shared ones.

    The frames of a window are ``stride`` apart: 5 shows the model a 30 fps clip as it was trained
    to see it, at 6 fps. The frames are then covered ``stride`` times over, by windows that begin
    one frame later each time. Every window is whole where there are frames enough for that.

    ``phase``, from 0 to 1, moves all windows but the first and the last towards the end, by up to
    the distance between two: frames parted by a border of one phase are together in another.
    """
    if length < 1 or not 0 <= overlap < length:
        raise LGVIError(
            f"windows of {length} frames cannot overlap by {overlap}: the overlap must be smaller"
        )
    if stride < 1:
        raise LGVIError(f"the frames of a window must be at least 1 apart, got {stride}")
    hop = length - overlap
    windows = []
    for first in range(min(stride, frames)):
        count = len(range(first, frames, stride))
        last = max(0, count - length)
        for start in sorted({0, *range(round(phase * hop), last, hop), last}):
            stop = min(start + length, count)
            windows.append(range(first + start * stride, first + (stop - 1) * stride + 1, stride))
    return windows


def window_phase(steps_left: int) -> float:
    """The phase of a step that so many follow: 0 in the last one, and spread evenly over all."""
    return steps_left * GOLDEN_RATIO % 1


def window_weights(window: range, frames: int, overlap: int) -> Tensor:
    """Blending weights [len(window)]: ramps over the overlaps, flat where a clip begins or ends."""
    ramp = torch.arange(1, len(window) + 1).clamp(max=overlap + 1) / (overlap + 1)
    weights = torch.ones(len(window))
    if window[0] - window.step >= 0:
        weights = torch.minimum(weights, ramp)
    if window[-1] + window.step < frames:
        weights = torch.minimum(weights, ramp.flip(0))
    return weights


def triangular_weights(length: int) -> Tensor:
    """Weights [length] that rise to the middle of a window and fall again."""
    rise = torch.arange(1, length + 1) / length
    return torch.minimum(rise, rise.flip(0))
