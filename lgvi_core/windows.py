"""Overlapping windows for clips longer than the model was trained on."""

import torch
from torch import Tensor

from .errors import LGVIError


def context_windows(frames: int, length: int, overlap: int, stride: int = 1) -> list[range]:
    """Windows of ``length`` frames that cover ``frames`` with at least ``overlap`` shared ones.

    The frames of a window are ``stride`` apart: 5 shows the model a 30 fps clip as it was trained
    to see it, at 6 fps. The frames are then covered ``stride`` times over, by windows that begin
    one frame later each time. Every window is whole where there are frames enough for that.
    """
    if length < 1 or not 0 <= overlap < length:
        raise LGVIError(
            f"windows of {length} frames cannot overlap by {overlap}: the overlap must be smaller"
        )
    if stride < 1:
        raise LGVIError(f"the frames of a window must be at least 1 apart, got {stride}")
    windows = []
    for first in range(min(stride, frames)):
        count = len(range(first, frames, stride))
        starts = [0]
        if count > length:
            starts = [*range(0, count - length, length - overlap), count - length]
        for start in starts:
            stop = min(start + length, count)
            windows.append(range(first + start * stride, first + (stop - 1) * stride + 1, stride))
    return windows


def window_weights(window: range, frames: int, overlap: int) -> Tensor:
    """Blending weights [len(window)]: ramps over the overlaps, flat where a clip begins or ends."""
    length = len(window)
    ramp = torch.arange(1, length + 1, dtype=torch.float32).clamp(max=overlap + 1) / (overlap + 1)
    weights = torch.ones(length)
    if window[0] - window.step >= 0:
        weights = torch.minimum(weights, ramp)
    if window[-1] + window.step < frames:
        weights = torch.minimum(weights, ramp.flip(0))
    return weights
