"""What is done with masks: sizing, growing, feathering, compositing, drawing.

Masks are [f, h, w] with values 0 (keep) to 1 (removed).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import LGVIError
from .frames import CHUNK_FRAMES, Fit, from_canvas

Colour = tuple[float, float, float]


def latent_mask_to_frames(mask: Tensor, fit: Fit) -> Tensor:
    """A mask at latent size [f, h, w] at the size of the source frames [f, H, W]."""
    canvas = F.interpolate(mask[:, None], size=fit.canvas, mode="bilinear", align_corners=False)
    return from_canvas(canvas.movedim(1, -1), fit)[..., 0]


def check_mask(mask: Tensor, frames: int, sizes: set[tuple[int, int]]) -> None:
    """Refuse a mask that does not belong to a clip of ``frames`` frames in one of ``sizes``."""
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
    if not torch.isfinite(mask).all():
        raise LGVIError("mask holds NaN or infinite values; check the node it comes from")


def soft_mask(mask: Tensor, threshold: float, grow: int, feather: int) -> Tensor:
    """Opacity [f, h, w]: 1 where ``mask`` >= ``threshold``, grown by ``grow`` pixels.

    Beyond that it falls to exactly 0 within ``feather`` more pixels. ``threshold`` <= 0 counts as
    the smallest value above 0, so that empty stays empty. A negative ``grow`` shrinks.
    """
    out = torch.empty_like(mask)
    for start in range(0, len(mask), CHUNK_FRAMES):
        chunk = mask[start : start + CHUNK_FRAMES, None]
        chunk = (chunk >= threshold if threshold > 0 else chunk > 0).to(mask.dtype)
        chunk = _dilate(chunk, grow) if grow >= 0 else 1 - _dilate(1 - chunk, -grow)
        out[start : start + CHUNK_FRAMES] = _feather(chunk, feather)[:, 0]
    return out


def composite(source: Tensor, result: Tensor, opacity: Tensor, fit: Fit) -> Tensor:
    """``result`` [f, H, W, 3] on ``fit``'s canvas over ``source`` [f, h, w, 3] by ``opacity``.

    ``opacity`` is [f or 1, h, w]. Where it is 0 the output is the source, bit for bit. Frames are
    restored to the source's size one by one, and only where there is anything to lay over.
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
    """``frames`` [f, h, w, 3] with ``mask`` tinted by ``tint`` and outlined ``outline`` pixels."""
    paint = frames.new_tensor(colour)
    out = frames.clone()
    for i in range(len(frames)):
        alpha = mask[i if len(mask) > 1 else 0][..., None].to(frames)
        out[i] = torch.lerp(frames[i], paint.expand_as(frames[i]), alpha * tint)
        if outline > 0:
            hard = (alpha >= 0.5).to(frames.dtype).movedim(-1, 0)[None]
            edge = (_dilate(hard, outline) - hard)[0].movedim(0, -1)
            out[i] = torch.where(edge > 0, paint, out[i])
    return out


def _dilate(x: Tensor, radius: int) -> Tensor:
    """Maximum over a square of ``radius`` pixels each way; [f, 1, h, w]."""
    if radius == 0:
        return x
    size = 2 * radius + 1
    x = F.max_pool2d(x, (size, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(x, (1, size), stride=1, padding=(0, radius))


def _feather(x: Tensor, radius: int) -> Tensor:
    """An even fall from 1 on ``x`` to 0 beyond ``radius`` pixels around it."""
    total = x.clone()
    for _ in range(radius):
        x = _dilate(x, 1)
        total += x
    return total / (radius + 1)
