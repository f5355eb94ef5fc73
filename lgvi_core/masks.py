"""Mask operations: resizing, growing, feathering, compositing and drawing.

Masks are [f, h, w] with values from 0 (keep) to 1 (remove).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Fit, from_canvas, is_finite
from .errors import LGVIError
from .settings import MaskSettings

Colour = tuple[float, float, float]
"""(red, green, blue), each 0 to 1."""


def latent_mask_to_frames(mask: Tensor, fit: Fit) -> Tensor:
    """Resize a mask [f, h, w] from latent size to the size of the source frames [f, H, W]."""
    canvas = F.interpolate(mask[:, None], size=fit.canvas, mode="bilinear", align_corners=False)
    return from_canvas(canvas.movedim(1, -1), fit)[..., 0]


def check_mask(mask: Tensor, frames: int, sizes: set[tuple[int, int]]) -> None:
    """Raise LGVIError for a mask that does not fit `frames` frames of one of `sizes`.

    `sizes` are (height, width) in pixels; one mask may serve for all frames.
    """
    if mask.ndim != 3:
        raise LGVIError(f"mask must be [frames, height, width], got {list(mask.shape)}")
    if mask.shape[0] not in (1, frames):
        raise LGVIError(
            f"mask has {mask.shape[0]} frames, the clip has {frames}: give one mask per frame, "
            "or a single one for all"
        )
    size = (mask.shape[1], mask.shape[2])
    if size not in sizes:
        known = " or ".join(f"{w} x {h}" for h, w in sorted(sizes, reverse=True))
        raise LGVIError(f"mask is {size[1]} x {size[0]} pixels, the frames are {known}")
    if not is_finite(mask):
        raise LGVIError("mask holds NaN or infinite values; check the node it comes from")


def soft_mask(mask: Tensor, settings: MaskSettings, cell: float | None = None) -> Tensor:
    """Turn a mask [f, h, w] into the opacity [f, h, w] of the result, 0 to 1.

    The opacity is 1 where `mask` is at least the threshold, grown by `grow` pixels, and falls to
    exactly 0 over `feather` pixels beyond. `cell` is the side in pixels of what one value of the
    latent covers (`Fit.cell`), which automatic settings follow; None where no model is known. A
    threshold of 0 or less counts as the smallest value
    above 0, so that an empty mask stays empty.
    """
    settings = settings.in_pixels((mask.shape[1], mask.shape[2]), cell)
    threshold, grow, feather = settings.threshold, settings.grow, settings.feather
    out = torch.empty_like(mask)
    for i, frame in enumerate(mask):
        hard = (frame >= threshold if threshold > 0 else frame > 0).to(torch.float32)
        hard = dilate(hard, grow) if grow >= 0 else 1 - dilate(1 - hard, -grow)
        out[i] = _feather(hard, feather)
    return out


def composite(source: Tensor, result: Tensor, opacity: Tensor, fit: Fit) -> Tensor:
    """Lay `result` [f, H, W, 3] on the canvas of `fit` over `source` [f, h, w, 3] by `opacity`.

    `opacity` is [f or 1, h, w], 0 to 1. Where it is 0, the output is the source, bit for bit.
    Frames are restored to the source's size one by one, and only where `opacity` is above 0.
    """
    out = source.clone()
    for i in range(len(source)):
        alpha = opacity[i if len(opacity) > 1 else 0][..., None].to(source)
        touched = alpha > 0
        if touched.any():
            restored = from_canvas(result[i : i + 1], fit)[0].to(source)
            out[i] = torch.where(touched, torch.lerp(source[i], restored, alpha), source[i])
    return out


def overlay(frames: Tensor, mask: Tensor, colour: Colour, tint: float, outline: int) -> Tensor:
    """Draw `mask` [f or 1, h, w] over `frames` [f, h, w, 3] in `colour`.

    `tint` is the strength of the tint inside the mask, 0 to 1; `outline` is the width of the line
    around it in pixels, 0 for none. Raises LGVIError for a tint that is no number.
    """
    if not math.isfinite(tint):
        raise LGVIError(f"tint must be a number from 0 to 1, got {tint}")
    paint = frames.new_tensor(colour)
    out = frames.clone()
    for i in range(len(frames)):
        alpha = mask[i if len(mask) > 1 else 0][..., None].to(frames)
        out[i] = torch.lerp(frames[i], paint.expand_as(frames[i]), alpha * tint)
        if outline > 0:
            hard = (alpha[..., 0] >= 0.5).to(torch.float32)
            edge = dilate(hard, outline) > hard
            out[i] = torch.where(edge[..., None], paint, out[i])
    return out


def dilate(x: Tensor, radius: int) -> Tensor:
    """Return 1 where `x` [h, w] of zeros and ones has a 1 within `radius` pixels on each axis."""
    return x if radius == 0 else (_box(x, radius)[0] > 0).to(x.dtype)


def _feather(x: Tensor, radius: int) -> Tensor:
    """Return a ramp from 1 inside `x` [h, w] to exactly 0 beyond `radius` pixels around it."""
    blur = radius // 2
    x = dilate(x, radius - blur)
    if blur == 0:
        return x
    total, count = _box(x, blur)
    return total / count


def _box(x: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Return the sum and the number of the pixels within `radius` on each axis.

    Running sums make the cost independent of `radius`; they are exact because `x` [h, w] holds
    only zeros and ones.
    """
    count = torch.ones_like(x)
    for dim in (0, 1):
        index = torch.arange(x.shape[dim], device=x.device)
        stop, start = (index + radius + 1).clamp(max=len(index)), (index - radius).clamp(min=0)
        sums = F.pad(x.cumsum(dim), (0, 0, 1, 0) if dim == 0 else (1, 0))
        x = sums.index_select(dim, stop) - sums.index_select(dim, start)
        count = count * (stop - start).unsqueeze(1 - dim)
    return x, count
