"""Cuts: where a frame has nothing to do with the one before, so that no path may cross."""

import cv2
import numpy as np

THUMBNAIL = (96, 64)
"""Width and height in pixels at which two frames are compared."""
UNLIKE = 0.5
"""The correlation, after motion is undone, below which two frames are different scenes."""

FLAT = 2.0
"""The standard deviation of grey, of 255, below which a picture is of one colour."""


def thumbnail(frame: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A small grey picture of an RGB frame, and where it shows no removed object, both [64, 96]."""
    grey = cv2.cvtColor(
        cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    )
    shown = cv2.resize(1 - hole.astype(np.float32), THUMBNAIL, interpolation=cv2.INTER_AREA) > 0.9
    return grey, shown


def is_cut(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether two thumbnails show different scenes.

    Brightness and contrast do not count, so that a flash or a fade is no cut; nor does motion that
    a flow between the thumbnails explains.
    """
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = method.calc(one[0], other[0], None)  # type: ignore[call-overload]
    height, width = one[0].shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + flow[..., 0], y + flow[..., 1]
    moved = cv2.remap(other[0].astype(np.float32), x, y, cv2.INTER_LINEAR)
    shown = cv2.remap(other[1].astype(np.float32), x, y, cv2.INTER_LINEAR) > 0.9
    both = one[1] & shown
    if both.sum() < 64:
        return False  # hidden almost everywhere: nothing speaks for a cut
    return _correlation(one[0][both].astype(np.float32), moved[both]) < UNLIKE


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    deviations = sorted([float(one.std()), float(other.std())])
    if deviations[0] < FLAT:
        # A picture of one colour has no pattern to disagree with, but a pattern may come or go.
        return 1.0 if deviations[1] < 3 * FLAT else 0.0
    return float(((one - one.mean()) * (other - other.mean())).mean()) / float(np.prod(deviations))
