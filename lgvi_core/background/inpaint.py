"""What to paint where no frame shows the background: a classical inpainting, a painting, or both.

A small model paints texture well and smooth ground worse than the classical way, which in turn
smears texture. Which is better here is tried around the hole, where the background is known.
"""

import cv2
import numpy as np

from .areas import around, continued

RADIUS = 3.0
"""Pixels around each that the classical inpainting (Telea, 2004) looks at."""
SAW = 4.0
"""How many times its squared error a painting is charged there: its model saw those pixels."""
ROUNDING = 1.0
"""The squared error, of 255, below which two are equally good: then the painting is taken."""
TRIED = (6, 24)
"""How wide at least and at most, in pixels, the surroundings are in which both are tried."""


def inpainted(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`pixels` uint8 [h, w, 3] with the `hole` bool [h, w] filled by Telea's inpainting."""
    if hole.all():
        return np.full_like(pixels, 128)  # nothing is known of what is there: grey
    if not hole.any():
        return pixels
    place = around(hole, int(RADIUS) + 1)
    filled = pixels.copy()
    filled[place] = cv2.inpaint(
        np.ascontiguousarray(pixels[place]),
        hole[place].astype(np.uint8),
        RADIUS,
        cv2.INPAINT_TELEA,
    )
    return filled


def compared(
    pixels: np.ndarray, painting: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What to add to a painting so that it joins its surroundings, and how far to trust it.

    `pixels` and `painting` are uint8 [h, w, 3], `hole` is bool [h, w]. The first result is float32
    [h, w, 3] of 255; the second float32 [h, w] runs from 0, the classical inpainting alone, to 1,
    the painting alone: each counts by the inverse fourth power of its error in the surroundings.
    """
    error = np.zeros((*hole.shape, 3), np.float32)
    share = np.ones(hole.shape, np.float32)
    count, regions = cv2.connectedComponents(hole.astype(np.uint8))
    for number in range(1, count):
        place = around(regions == number, 2 * TRIED[1])
        own = regions[place] == number
        error[place][own], share[place][own] = _region(
            pixels[place], painting[place], own, hole[place]
        )
    return error, share


def _region(
    pixels: np.ndarray, painting: np.ndarray, region: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, float]:
    """The same of one `region` [h, w] of the hole: the errors [n, 3] of its pixels, one share."""
    hidden = _widened(region)
    tried, beyond = hidden & ~hole, ~hidden & ~hole
    if not tried.any():
        return np.zeros((region.sum(), 3), np.float32), 1.0
    difference = pixels.astype(np.float32) - painting
    # As at the real task, both have to tell what is tried from what lies beyond it.
    missed = difference - (continued(difference, beyond) if beyond.any() else 0)
    guess = inpainted(pixels, hidden | hole).astype(np.float32) - pixels
    classical, painted = (np.square(x[tried]).mean() for x in (guess, missed))
    share = 1 / (1 + (SAW * painted / (classical + ROUNDING)) ** 2)
    return continued(difference, tried)[region], float(share)


def _widened(hole: np.ndarray) -> np.ndarray:
    """A hole [h, w] and what is around it, as wide as the hole is deep."""
    depth = cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, 3).max()
    width = int(np.clip(depth, *TRIED))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    return cv2.dilate(hole.astype(np.uint8), kernel) > 0
