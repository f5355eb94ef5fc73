"""Figures of a filled clip against its true background, in the masked place."""

import numpy as np

from train.evaluation.config import DISConfig
from train.evaluation.warping import flow_function, motion, warping_error

ROUNDING = 2 / 12 / 255**2
"""The E_warp of a scene that does not move, only by rounding its pixels to bytes."""


def psnr(result: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Decibels of uint8 `result` against `truth` [f, h, w, 3] over the pixels `where` [f, h, w]."""
    if not where.any():
        return float("nan")
    error = np.square(result[where].astype(np.float32) - truth[where].astype(np.float32)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def warping_ratio(result: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """E_warp of a result in the masked place, over that of the true background."""
    moved = motion(truth, flow_function(DISConfig(), "cpu"))
    assert moved is not None
    errors = [warping_error(frames, moved, mask > 0) for frames in (result, truth)]
    if errors[0] is None or errors[1] is None:
        return float("nan")
    return (errors[0] + ROUNDING) / (errors[1] + ROUNDING)
