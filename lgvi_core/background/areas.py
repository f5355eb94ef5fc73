"""Parts of a frame, as numpy arrays: what surrounds a hole, and values continued into it."""

import cv2
import numpy as np

from .complete import push_pull

BLUR = 5.0
"""The deviation in pixels of the Gaussian that values at a rim are smoothed by."""
OUTLIER = 40.0
"""Of 255: a difference at the rim that is no matter of light but of another thing."""
EVIDENCE = 0.15
"""The share of known pixels around a pixel at which the rim speaks for itself."""


def around(hole: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The rows and columns of a `hole` bool [h, w], not empty, and of `margin` pixels around it."""
    rows, columns = np.nonzero(hole.any(1))[0], np.nonzero(hole.any(0))[0]
    height, width = hole.shape
    return (
        slice(max(0, rows[0] - margin), min(height, rows[-1] + 1 + margin)),
        slice(max(0, columns[0] - margin), min(width, columns[-1] + 1 + margin)),
    )


def continued(error: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Errors float32 [h, w, 3], of 255, smoothed where `known` [h, w], and continued from there.

    What differs by far is taken for another thing and counts little.
    """
    weight = known / (1 + np.square(np.max(cv2.split(np.abs(error)), 0) / OUTLIER)) ** 2
    weight = weight.astype(np.float32)
    blurred = cv2.GaussianBlur(error * weight[..., None], (0, 0), BLUR)
    sure = cv2.GaussianBlur(weight, (0, 0), BLUR)
    mean = blurred / np.maximum(sure, 1e-4)[..., None]
    return push_pull(mean, np.minimum(sure / EVIDENCE, 1))
