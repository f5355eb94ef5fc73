"""Conversion between RGB and the planes of YCbCr video, by the equations of ITU-T H.273.

It is computed here, in float32, because FFmpeg's scaler respects a frame's matrix and range only in
part, and in some versions not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

BT709 = 1
"""Number of the BT.709 matrix in H.273."""
BT601_WEIGHTS = (0.299, 0.114)
"""Weights of red and blue in the luma of BT.601."""
_WEIGHTS: Mapping[int, tuple[float, float]] = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),  # FCC
    5: BT601_WEIGHTS,
    6: BT601_WEIGHTS,
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}
"""Weights of red and blue in luma, by the number of the matrix in H.273."""


@dataclass(frozen=True)
class Coding:
    """Colour coding of samples.

    An unspecified or unknown matrix is taken for BT.601, as players do.
    """

    matrix: int
    """Number of the matrix in H.273."""
    full_range: bool
    """Whether 8-bit luma runs from 0 to 255, not from 16 to 235."""
    bits: int
    """Bits per sample."""

    @property
    def weights(self) -> tuple[float, float, float]:
        """Weights of red, green and blue in luma; they add up to 1."""
        red, blue = _WEIGHTS.get(self.matrix, BT601_WEIGHTS)
        return red, 1 - red - blue, blue

    @property
    def luma(self) -> tuple[float, float]:
        """Luma sample of black, and the distance from black to white."""
        if self.full_range:
            return 0.0, 2.0**self.bits - 1
        return 16 * 2.0 ** (self.bits - 8), 219 * 2.0 ** (self.bits - 8)

    @property
    def chroma(self) -> tuple[float, float]:
        """Chroma sample of grey, and the distance from chroma -0.5 to 0.5."""
        extent = 2.0**self.bits - 1 if self.full_range else 224 * 2.0 ** (self.bits - 8)
        return 2.0 ** (self.bits - 1), extent


def planes_to_rgb(planes: Sequence[Tensor], coding: Coding) -> Tensor:
    """Convert luma [h, w], Cb and Cr planes to RGB, float32 [h, w, 3], 0 to 1.

    The chroma planes may be smaller than luma.
    """
    size = planes[0].shape
    y, cb, cr = (plane.float() for plane in planes)
    luma, (grey, extent) = (y - coding.luma[0]) / coding.luma[1], coding.chroma
    blue, red = ((_resize(chroma, size) - grey) / extent for chroma in (cb, cr))
    kr, kg, kb = coding.weights
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    return torch.stack([r, (luma - kr * r - kb * b) / kg, b], -1).clamp(0, 1)


def rgb_to_planes(image: Tensor, coding: Coding) -> list[Tensor]:
    """Convert RGB [h, w, 3], 0 to 1, to luma, Cb and Cr [h, w] as sample values, not rounded."""
    kr, kg, kb = coding.weights
    red, green, blue = image.float().clamp(0, 1).unbind(-1)
    luma = kr * red + kg * green + kb * blue
    (black, extent), (grey, reach) = coding.luma, coding.chroma
    cb = (blue - luma) / (2 * (1 - kb)) * reach + grey
    cr = (red - luma) / (2 * (1 - kr)) * reach + grey
    # In full range, the most saturated chroma lies half a step above the largest sample value.
    return [plane.clamp(0, 2**coding.bits - 1) for plane in (luma * extent + black, cb, cr)]


def _resize(plane: Tensor, size: tuple[int, ...]) -> Tensor:
    if plane.shape == size:
        return plane
    return F.interpolate(plane[None, None], size, mode="bilinear")[0, 0]
