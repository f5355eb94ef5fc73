"""Sampling of frames at places between their pixels, many frames in one gather."""

import torch
from torch import Tensor

from .propagate import bilinear
from .store import Size

SHARPNESS = -0.5
"""The parameter of Keys' cubic kernel (1981); -0.5 is exact for quadratic pictures."""
BLOCK = 1 << 16
"""Pixels sampled at a time, so that the working memory does not grow with the hole."""


def sample_cubic(frames: Tensor, slot: Tensor, xy: Tensor) -> Tensor:
    """float32 [n, c] of `frames` [f, h, w, c] at frame numbers `slot` [n], places `xy` [n, 2]."""
    if len(slot) > BLOCK:
        parts = zip(slot.split(BLOCK), xy.split(BLOCK), strict=True)
        return torch.cat([sample_cubic(frames, *part) for part in parts])
    height, width = frames.shape[1:3]
    flat = frames.reshape(-1, frames.shape[-1])
    low = xy.floor()
    wx, wy = _cubic(xy[:, 0] - low[:, 0]), _cubic(xy[:, 1] - low[:, 1])
    around = torch.arange(-1, 3, device=xy.device)
    x = (low[:, :1].long() + around).clamp(0, width - 1)
    y = (low[:, 1:].long() + around).clamp(0, height - 1)
    rows = (slot.long()[:, None] * height + y) * width
    index = (rows[:, :, None] + x[:, None]).flatten()
    weights = (wy[:, :, None] * wx[:, None]).reshape(-1, 1, 16)
    taken = flat.index_select(0, index).float().reshape(-1, 16, frames.shape[-1])
    return torch.bmm(weights, taken)[:, 0]


def sample_linear(frames: Tensor, slot: Tensor, xy: Tensor) -> Tensor:
    """The same between the four nearest pixels."""
    size: Size = (frames.shape[1], frames.shape[2])
    corners, weights = bilinear(xy, size)
    flat = frames.reshape(-1, frames.shape[-1])
    index = (slot.long()[:, None] * (size[0] * size[1]) + corners).flatten()
    taken = flat.index_select(0, index).float().reshape(-1, 4, frames.shape[-1])
    return torch.bmm(weights[:, None], taken)[:, 0]


def _cubic(part: Tensor) -> Tensor:
    """The weights [n, 4] of the pixels at -1, 0, 1 and 2 for a place `part` [n] from 0 to 1."""
    distance = torch.stack([1 + part, part, 1 - part, 2 - part], -1)
    a = SHARPNESS
    near = ((a + 2) * distance - (a + 3)) * distance.square() + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, far)
