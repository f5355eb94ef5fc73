"""Mask operations: resizing, growing, feathering, compositing and drawing.

Masks are [f, h, w] with values from 0 (keep) to 1 (remove).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Fit, Watch, from_canvas, is_finite, nothing
from .errors import LGVIError
from .settings import MaskSettings

Colour = tuple[float, float, float]
"""(red, green, blue), each 0 to 1."""
Place = tuple[slice, slice]
"""Rows and columns of a part of a frame."""


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


def soft_mask(
    mask: Tensor, settings: MaskSettings, cell: float | None = None, watch: Watch = nothing
) -> Tensor:
    """Turn a mask [f, h, w] into the opacity [f, h, w] of the result, 0 to 1.

    The opacity is 1 where `mask` is at least the threshold, grown by `grow` pixels, and falls to
    exactly 0 over `feather` pixels beyond. `cell` is the side in pixels of what one value of the
    latent covers (`Fit.cell`), which automatic settings follow; None where no model is known. A
    threshold of 0 or less counts as the smallest value above 0, so that an empty mask stays empty.
    `watch` is called before every frame, and may raise to stop.
    """
    settings = settings.in_pixels((mask.shape[1], mask.shape[2]), cell)
    threshold, grow, feather = settings.threshold, settings.grow, settings.feather
    out = torch.zeros_like(mask)
    # No pixel farther from the mask is touched, nor changes what is: the rest need not be computed.
    margin = max(grow, 1) + 2 * feather
    for i, frame in enumerate(mask):
        watch()
        hard = frame >= threshold if threshold > 0 else frame > 0
        place = _place_of(hard, margin)
        if place is None:
            continue
        part = hard[place].to(torch.float32)
        part = dilate(part, grow) if grow >= 0 else 1 - dilate(1 - part, -grow)
        out[i][place] = _feather(part, feather).to(out)
    return out


def composite(
    source: Tensor, result: Tensor, opacity: Tensor, fit: Fit, watch: Watch = nothing
) -> Tensor:
    """Lay `result` [f, H, W, 3] on the canvas of `fit` over `source` [f, h, w, 3] by `opacity`.

    `opacity` is [f or 1, h, w], 0 to 1. Where it is 0, the output is the source, bit for bit.
    Frames are restored to the source's size one by one, and only where `opacity` is above 0.
    `watch` is called before every frame, and may raise to stop.
    """
    out = source.clone()
    for i in range(len(source)):
        watch()
        alpha = opacity[i if len(opacity) > 1 else 0].to(source)
        place = _place_of(alpha > 0)
        if place is not None:
            restored = from_canvas(result[i : i + 1], fit)[0][place].to(source)
            out[i][place] = _laid_over(source[i][place], restored, alpha[place][..., None])
    return out


def overlay(
    frames: Tensor,
    mask: Tensor,
    colour: Colour,
    tint: float,
    outline: int,
    watch: Watch = nothing,
) -> Tensor:
    """Draw `mask` [f or 1, h, w] over `frames` [f, h, w, 3] in `colour`.

    `tint` is the strength of the tint inside the mask, 0 to 1; `outline` is the width of the line
    around it in pixels, 0 for none. `watch` is called before every frame, and may raise to stop.
    Raises LGVIError for a tint that is no number.
    """
    if not math.isfinite(tint):
        raise LGVIError(f"tint must be a number from 0 to 1, got {tint}")
    paint = frames.new_tensor(colour)
    out = frames.clone()
    for i in range(len(frames)):
        watch()
        alpha = mask[i if len(mask) > 1 else 0].to(frames)
        place = _place_of(alpha > 0, outline)
        if place is None:
            continue
        part, inside = out[i][place], alpha[place]
        drawn = torch.lerp(part, paint.expand_as(part), inside[..., None] * tint)
        if outline > 0:
            hard = (inside >= 0.5).to(torch.float32)
            edge = dilate(hard, outline) > hard
            drawn = torch.where(edge[..., None], paint, drawn)
        out[i][place] = drawn
    return out


def _place_of(hard: Tensor, margin: int = 0) -> Place | None:
    """Return the rows and columns that hold all of `hard` [h, w] and a margin around it.

    None where it is empty.
    """
    if not hard.any():
        return None
    spans = []
    for dim, size in ((1, hard.shape[0]), (0, hard.shape[1])):
        found = hard.any(dim).nonzero()
        first, last = int(found[0]), int(found[-1])
        spans.append(slice(max(0, first - margin), min(size, last + 1 + margin)))
    return spans[0], spans[1]


def _laid_over(own: Tensor, new: Tensor, alpha: Tensor) -> Tensor:
    """Mix in `new` by `alpha`; where that is 0, `own` stays bit for bit."""
    return torch.where(alpha > 0, torch.lerp(own, new, alpha), own)


def dilate(x: Tensor, radius: int) -> Tensor:
    """Return 1 where `x` [h, w] of zeros and ones has a 1 within `radius` pixels on each axis."""
    return x if radius == 0 else (_box(x, radius)[0] > 0).to(x.dtype)


def widened(mask: Tensor, radius: int) -> Tensor:
    """Return the largest value of a soft `mask` [f, h, w] within `radius` pixels on each axis."""
    if radius < 1:
        return mask
    width = 2 * radius + 1
    rows = F.max_pool2d(mask[:, None], (width, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(rows, (1, width), stride=1, padding=(0, radius))[:, 0]


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
