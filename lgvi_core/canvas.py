"""Resizing and padding of frames to a size that the model takes, and back, without stretching.

The content lies at the top left of a canvas whose sides are multiples of 8; the rest of the canvas
repeats the border pixels. The sizes of source and canvas alone determine where the content lies, so
a result can be restored after it passed through nodes that know nothing of LGVI.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import LGVIError
from .latents import LATENT_PIXELS

Size = tuple[int, int]
"""(height, width) in pixels."""
Watch = Callable[[], None]
"""Function that is called before every frame, and may raise to stop."""


def nothing() -> None:
    """Do nothing before a frame."""


@dataclass(frozen=True)
class Fit:
    """Placement of source frames on the model's canvas. All sizes are (height, width) in pixels."""

    source: Size
    """Size of the source frames."""
    content: Size
    """Size of the source frames after resizing, before padding."""
    canvas: Size
    """Size of the padded frames that the model sees."""

    @property
    def cell(self) -> float:
        """Side in pixels of the source of what one value of the latent covers."""
        return LATENT_PIXELS * max(self.source) / max(self.content)

    def describe(self) -> str:
        """Describe in one phrase what happens to the frames, for the person who runs the graph."""
        if self.canvas == self.source:
            return f"{_format_size(self.source)}: used as it is"
        padded = "" if self.canvas == self.content else f", padded to {_format_size(self.canvas)}"
        if self.content == self.source:
            return f"{_format_size(self.source)}: kept{padded}"
        return f"{_format_size(self.source)}: resized to {_format_size(self.content)}{padded}"


def fit_canvas(source: Size, long_side: int = 0) -> Fit:
    """Compute the fit of frames of `source` size for a model that works at `long_side` pixels.

    `long_side` is the canvas's longer side, rounded to a multiple of 8; 0 keeps the frames' own
    size. The aspect ratio is kept to within a pixel. Raises LGVIError for a `source` without pixels
    and for a negative `long_side`.
    """
    height, width = source
    if min(source) < 1:
        raise LGVIError(f"frames of {_format_size(source)} pixels hold nothing")
    if long_side < 0:
        raise LGVIError(f"working size must be 0 or more pixels, got {long_side}")
    padded = _round_up(height), _round_up(width)
    if long_side:
        long_side = max(1, round(long_side / LATENT_PIXELS)) * LATENT_PIXELS
    if not long_side or max(padded) == long_side:
        return Fit(source, source, padded)
    # The content is rounded up: then the canvas never limits the scale, and `locate` finds it.
    content = _scaled(height, long_side / max(source)), _scaled(width, long_side / max(source))
    return Fit(source, content, (_round_up(content[0]), _round_up(content[1])))


def locate(source: Size, canvas: Size) -> Fit:
    """Find the fit that leads from frames of `source` size to a result of `canvas` size.

    Raises LGVIError where there is none.
    """
    if canvas == source:
        return Fit(source, source, canvas)
    for long_side in (0, max(canvas)):
        fit = fit_canvas(source, long_side)
        if fit.canvas == canvas:
            return fit
    raise LGVIError(
        f"a result of {_format_size(canvas)} does not come from frames of "
        f"{_format_size(source)}: connect the same frames that went into LGVI Video Conditioning"
    )


def to_canvas(frames: Tensor, fit: Fit) -> Tensor:
    """Resize and pad `frames` [f, h, w, c], 0 to 1, of the source's size to the canvas."""
    return _map_frames(frames, fit.canvas, lambda x: _pad(_resize(x, fit.content), fit.canvas))


def from_canvas(frames: Tensor, fit: Fit, watch: Watch = nothing) -> Tensor:
    """Crop and resize `frames` [f, H, W, c] on the canvas to the source's size [f, h, w, c].

    `watch` is called before every frame, and may raise to stop.
    """
    height, width = fit.content

    def change(image: Tensor) -> Tensor:
        return _resize(image[..., :height, :width], fit.source)

    return _map_frames(frames, fit.source, change, watch)


def content_of(frames: Tensor, fit: Fit) -> Tensor:
    """Crop `frames` [f, H, W, c] on the canvas to what shows the source, and keep their size."""
    height, width = fit.content
    return frames[:, :height, :width]


def _map_frames(
    frames: Tensor, size: Size, change: Callable[[Tensor], Tensor], watch: Watch = nothing
) -> Tensor:
    if tuple(frames.shape[1:3]) == size:
        return frames
    out = frames.new_empty((frames.shape[0], *size, frames.shape[3]))
    for i in range(frames.shape[0]):
        watch()
        # One by one, so that memory does not grow with the video's length. Interpolation on a CPU
        # does not support half precision.
        image = frames[i : i + 1].movedim(-1, 1).float()
        out[i : i + 1] = change(image).movedim(1, -1)
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


def _round_up(side: int) -> int:
    return math.ceil(side / LATENT_PIXELS) * LATENT_PIXELS


def _format_size(size: Size) -> str:
    return f"{size[1]} x {size[0]}"


def check_frames(frames: Tensor, what: str = "frames", integers: bool = False) -> None:
    """Raise LGVIError for frames that no model can use; `what` names them in the message.

    These are any layout but floating-point [f, h, w, 3], no frames or pixels at all, and NaN or
    infinite pixels. With `integers`, whole numbers are allowed too.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise LGVIError(
            f"{what} must be RGB images [frames, height, width, 3], got {list(frames.shape)}; "
            "remove an alpha channel, and convert grey images to RGB"
        )
    if not integers and not frames.is_floating_point():
        kind = str(frames.dtype).removeprefix("torch.")
        raise LGVIError(
            f"{what} are {kind}; images are floating-point, from 0 to 1: divide 8-bit ones by 255"
        )
    if frames.shape[0] == 0:
        raise LGVIError(f"{what}: the clip is empty; load a video with at least one frame")
    if not frames.numel():
        raise LGVIError(
            f"{what} of {_format_size((frames.shape[1], frames.shape[2]))} pixels hold nothing"
        )
    if not is_finite(frames):
        raise LGVIError(f"{what} hold NaN or infinite pixels; check the node they come from")


def is_finite(values: Tensor) -> bool:
    """Return whether `values` hold neither NaN nor infinity, without copying them."""
    if not values.is_floating_point():
        return True
    return values.numel() == 0 or all(torch.isfinite(bound) for bound in torch.aminmax(values))
