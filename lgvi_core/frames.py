"""Fitting frames of any size to what the model takes, and back, without stretching.

The content sits at the top left of a canvas whose sides are multiples of 8; the rest repeats the
border pixels. Where content lies follows from the source's and the canvas's sizes alone, so that a
result can be restored after it passed through nodes that know nothing of LGVI.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import LGVIError

LATENT_PIXELS = 8
"""Pixels of a side of one latent: what every VAE here downsamples by."""
CHUNK_FRAMES = 16
"""Frames resized at a time, so that the working memory does not grow with the clip."""

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Fit:
    """Where a source frame lies in the model's canvas; sizes are (height, width) in pixels."""

    source: Size
    content: Size
    canvas: Size

    def describe(self) -> str:
        """One sentence for the person who wonders what happened to the frames."""
        if self.canvas == self.source:
            return f"{_size(self.source)}: used as it is"
        padded = "" if self.canvas == self.content else f", padded to {_size(self.canvas)}"
        if self.content == self.source:
            return f"{_size(self.source)}: kept{padded}"
        return f"{_size(self.source)}: resized to {_size(self.content)}{padded}"


def fit_frames(source: Size, long_side: int = 0) -> Fit:
    """The fit of ``source`` frames for a model that works at ``long_side`` pixels (0: as they are).

    ``long_side`` is rounded to a multiple of 8. The aspect ratio is kept to within a pixel.
    """
    height, width = source
    if min(source) < 1:
        raise LGVIError(f"frames of {_size(source)} pixels hold nothing")
    if long_side < 0:
        raise LGVIError(f"working size must be 0 or more pixels, got {long_side}")
    padded = _ceil(height), _ceil(width)
    if long_side:
        long_side = max(1, round(long_side / LATENT_PIXELS)) * LATENT_PIXELS
    if not long_side or max(padded) == long_side:
        return Fit(source, source, padded)
    # Rounded up, so that the canvas never limits the scale and `locate` can find it again.
    content = _scaled(height, long_side / max(source)), _scaled(width, long_side / max(source))
    return Fit(source, content, (_ceil(content[0]), _ceil(content[1])))


def locate(source: Size, canvas: Size) -> Fit:
    """The fit that led from frames of ``source`` size to a result of ``canvas`` size.

    Raises LGVIError where no fit leads there.
    """
    if canvas == source:
        return Fit(source, source, canvas)
    for long_side in (0, max(canvas)):
        fit = fit_frames(source, long_side)
        if fit.canvas == canvas:
            return fit
    raise LGVIError(
        f"a result of {_size(canvas)} does not come from frames of {_size(source)}: connect the "
        "same frames that went into LGVI Video Conditioning"
    )


def to_canvas(frames: Tensor, fit: Fit) -> Tensor:
    """``frames`` [f, h, w, c] of the source's size, 0 to 1, resized and padded to the canvas."""
    return _map_chunks(frames, fit.canvas, lambda x: _pad(_resize(x, fit.content), fit.canvas))


def from_canvas(frames: Tensor, fit: Fit) -> Tensor:
    """The inverse of ``to_canvas`` in size: [f, H, W, c] to [f, h, w, c]."""
    height, width = fit.content
    return _map_chunks(frames, fit.source, lambda x: _resize(x[..., :height, :width], fit.source))


def _map_chunks(frames: Tensor, size: Size, change: Callable[[Tensor], Tensor]) -> Tensor:
    if tuple(frames.shape[1:3]) == size:
        return frames
    out = frames.new_empty((frames.shape[0], *size, frames.shape[3]))
    for start in range(0, frames.shape[0], CHUNK_FRAMES):
        # A CPU cannot interpolate half precision.
        chunk = frames[start : start + CHUNK_FRAMES].movedim(-1, 1).float()
        out[start : start + CHUNK_FRAMES] = change(chunk).movedim(1, -1)
    return out


def _resize(x: Tensor, size: Size) -> Tensor:
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)


def _pad(x: Tensor, size: Size) -> Tensor:
    bottom, right = size[0] - x.shape[-2], size[1] - x.shape[-1]
    return F.pad(x, (0, right, 0, bottom), mode="replicate")


def _scaled(side: int, scale: float) -> int:
    return max(1, math.ceil(round(side * scale, 6)))


def _ceil(side: int) -> int:
    return math.ceil(side / LATENT_PIXELS) * LATENT_PIXELS


def _size(size: Size) -> str:
    return f"{size[1]} x {size[0]}"


def check_frames(frames: Tensor, what: str = "frames") -> None:
    """Refuse what no model can work on: no frames, wrong layout, NaN or infinite pixels."""
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise LGVIError(
            f"{what} must be RGB images [frames, height, width, 3], got {list(frames.shape)}; "
            "remove an alpha channel, and convert grey images to RGB"
        )
    if frames.shape[0] == 0:
        raise LGVIError(f"{what}: the clip is empty; load a video with at least one frame")
    if not is_finite(frames):
        raise LGVIError(f"{what} hold NaN or infinite pixels; check the node they come from")


def is_finite(values: Tensor) -> bool:
    """Whether there is no NaN or infinity in ``values``; makes no copy of them."""
    if not values.is_floating_point():
        return True
    return values.numel() == 0 or all(torch.isfinite(bound) for bound in torch.aminmax(values))
