"""PSNR and SSIM of frames against the target, whole and within an area.

Frames are uint8 RGB [f, h, w, 3]; areas are boolean [f, h, w].
"""

from functools import partial

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lgvi_core import masks

PSNR_LIMIT = 60.0
"""Largest PSNR in dB; equal frames, whose PSNR is infinite, count as this."""

# These settings are those of Wang et al. 2004.
_ssim = partial(
    structural_similarity,
    data_range=255,
    channel_axis=-1,
    gaussian_weights=True,
    sigma=1.5,
    use_sample_covariance=False,
)


def dilate(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Widen a boolean mask [f, h, w] by `pixels` in every direction."""
    wider = [masks.dilate(torch.from_numpy(m).to(torch.float32), pixels) for m in mask]
    return torch.stack(wider).numpy() > 0


def psnr(frames: np.ndarray, target: np.ndarray, area: np.ndarray | None = None) -> float | None:
    """Mean PSNR of the frames in dB; None where the area is empty in all of them."""
    values = []
    for i, (one, other) in enumerate(zip(frames, target, strict=True)):
        if area is not None:
            one, other = one[area[i]], other[area[i]]
        if one.size and np.array_equal(one, other):
            values.append(PSNR_LIMIT)
        elif one.size:
            value = peak_signal_noise_ratio(other, one, data_range=255)
            values.append(min(PSNR_LIMIT, float(value)))
    return float(np.mean(values)) if values else None


def ssim(frames: np.ndarray, target: np.ndarray, area: np.ndarray) -> dict[str, float]:
    """Mean SSIM of the frames: "" is whole, "_inside" and "_outside" are relative to the area.

    A key is absent where it has no pixels in any frame.
    """
    found: dict[str, list[float]] = {"": [], "_inside": [], "_outside": []}
    for one, other, inside in zip(frames, target, area, strict=True):
        whole, pixels = _ssim(other, one, full=True)
        found[""].append(float(whole))
        for name, where in (("_inside", inside), ("_outside", ~inside)):
            if where.any():
                found[name].append(float(pixels[where].mean()))
    return {name: float(np.mean(values)) for name, values in found.items() if values}
