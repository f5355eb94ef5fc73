"""RGB and the planes of YCbCr video, by the equations of ITU-T H.273.

In float and the same with every version of FFmpeg, whose scaler reads matrix and range of a frame
only in part, and in some versions not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

BT709 = 1
"""The matrix's number in H.273."""
BT601 = (0.299, 0.114)
_WEIGHTS: Mapping[int, tuple[float, float]] = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),  # FCC
    5: BT601,
    6: BT601,
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}
"""Of red and blue in luma, by the number of the matrix."""


@dataclass(frozen=True)
class Coding:
    """How samples mean colours: the matrix's number in H.273, full range or not, and bits.

    A matrix that is unspecified or unknown is read as BT.601, as players do.
    """

    matrix: int
    full_range: bool
    bits: int

    @property
    def weights(self) -> tuple[float, float, float]:
        """Of red, green and blue in luma."""
        red, blue = _WEIGHTS.get(self.matrix, BT601)
        return red, 1 - red - blue, blue

    @property
    def luma(self) -> tuple[float, float]:
        """Offset and extent of luma's samples from black to white."""
        if self.full_range:
            return 0.0, 2.0**self.bits - 1
        return 16 * 2.0 ** (self.bits - 8), 219 * 2.0 ** (self.bits - 8)

    @property
    def chroma(self) -> tuple[float, float]:
        """Offset, that of grey, and extent of chroma's samples from -0.5 to 0.5."""
        extent = 2.0**self.bits - 1 if self.full_range else 224 * 2.0 ** (self.bits - 8)
        return 2.0 ** (self.bits - 1), extent


def planes_to_rgb(planes: Sequence[Tensor], coding: Coding) -> Tensor:
    """float32 [h, w, 3] in 0..1 of luma [h, w] and two chroma planes of that size or less."""
    size = planes[0].shape
    y, cb, cr = (plane.float() for plane in planes)
    luma, (grey, extent) = (y - coding.luma[0]) / coding.luma[1], coding.chroma
    blue, red = ((_resized(chroma, size) - grey) / extent for chroma in (cb, cr))
    kr, kg, kb = coding.weights
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    return torch.stack([r, (luma - kr * r - kb * b) / kg, b], -1).clamp(0, 1)


def rgb_to_planes(image: Tensor, coding: Coding) -> list[Tensor]:
    """Luma, Cb and Cr [h, w] of an image [h, w, 3] in 0..1, in samples' units, not rounded."""
    kr, kg, kb = coding.weights
    red, green, blue = image.float().clamp(0, 1).unbind(-1)
    luma = kr * red + kg * green + kb * blue
    (black, extent), (grey, reach) = coding.luma, coding.chroma
    cb = (blue - luma) / (2 * (1 - kb)) * reach + grey
    cr = (red - luma) / (2 * (1 - kr)) * reach + grey
    # In full range the purest chroma lies half a sample above the greatest number.
    return [plane.clamp(0, 2**coding.bits - 1) for plane in (luma * extent + black, cb, cr)]


def _resized(plane: Tensor, size: tuple[int, ...]) -> Tensor:
    if plane.shape == size:
        return plane
    return F.interpolate(plane[None, None], size, mode="bilinear")[0, 0]
