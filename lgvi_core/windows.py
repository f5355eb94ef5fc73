"""Overlapping windows in time for videos longer than the model was trained on."""

import torch
from torch import Tensor

from .errors import LGVIError

GOLDEN_FRACTION = 0.618034
"""Fraction of the golden ratio: the fractions of its multiples spread evenly over 0 to 1."""


def context_windows(
    frames: int, length: int, overlap: int, stride: int = 1, phase: float = 0.0
) -> list[range]:
    """Return windows of `length` frames that cover a video of `frames` frames.

    Neighbouring windows share at least `overlap` frames. The frames of a window are `stride` apart:
    a stride of 5 shows the model a 30 fps video at 6 fps, as in training. There are then `stride`
    interleaved series of windows, each beginning one frame after the one before. A window is
    shorter than `length` only where its series has fewer frames.

    `phase`, from 0 to 1, moves all windows but the first and the last of a series towards the end,
    by up to the distance between two windows: frames that a window border separates at one phase
    lie in one window at another. Raises LGVIError for an overlap, length or stride out of range.
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
    """Return the phase of the step that `steps_left` more follow; the last step has phase 0."""
    return steps_left * GOLDEN_FRACTION % 1


def window_weights(window: range, frames: int, overlap: int) -> Tensor:
    """Return blending weights [len(window)]: ramps in overlaps, flat at the ends of the video."""
    ramp = torch.arange(1, len(window) + 1).clamp(max=overlap + 1) / (overlap + 1)
    weights = torch.ones(len(window))
    if window[0] - window.step >= 0:
        weights = torch.minimum(weights, ramp)
    if window[-1] + window.step < frames:
        weights = torch.minimum(weights, ramp.flip(0))
    return weights


def triangular_weights(length: int) -> Tensor:
    """Return weights [length] that rise to the middle of a window and fall again."""
    rise = torch.arange(1, length + 1) / length
    return torch.minimum(rise, rise.flip(0))
