"""Flow completion: what the background's motion is where an object hides it.

The motion of the surroundings is fitted by a homography; what it leaves over is filled from the
rim inwards; and vectors that belong to something else, such as a trunk in front, are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

SAMPLES = 500
"""Vectors that a homography is fitted to: more make it slower and not better."""
FEW = 100
"""Fully trusted vectors below which those trusted less have their say, too."""
FIT_LIMIT = 0.5
"""Pixels by which a vector may miss the homography and still speak for it."""
BETTER = 1.2
"""How many times a simpler map's vectors one that bends more must explain to be preferred."""
STILL = 0.08
"""Pixels that a still camera's homography moves no corner by; below, nothing moves."""
APART = 1.5
"""Pixels from which on two motions are not the same."""
UNSHARP = 4
"""Pixels by which a measured flow misses the edges of things."""
SECOND_SHARE = 0.08
"""The share of the vectors around that a second motion must have to be looked for."""


@dataclass(frozen=True)
class Measured:
    """The flow [h, w, 2] in pixels between two frames, and how far it is trusted [h, w], 0..1."""

    flow: np.ndarray
    trust: np.ndarray


@dataclass(frozen=True)
class Motion:
    """One way in which the background may move: float32 flow [h, w, 2], given everywhere.

    `own` bool [h, w] is what this motion prevails in, where there are several.
    """

    flow: np.ndarray
    own: np.ndarray


def completed(measured: Measured, motions: int) -> list[Motion]:
    """How the background may move where nothing is known of it: one way, or two.

    The first is that of most of the surroundings, the second of what it leaves unexplained. What is
    hidden belongs to the motion that the nearest known pixel has.
    """
    points = np.argwhere(measured.trust == 1)[:, ::-1].astype(np.float32)
    if len(points) < FEW:
        points = np.argwhere(measured.trust > 0)[:, ::-1].astype(np.float32)
    everything = np.ones(measured.trust.shape, bool)
    size = measured.trust.shape
    if len(points) < 8:
        return [Motion(np.zeros_like(measured.flow), everything)]
    if len(points) > SAMPLES:
        points = points[np.linspace(0, len(points) - 1, SAMPLES).astype(int)]
    model = _fitted(points, _at(measured.flow, points), size)
    deviation = _deviation(measured, model)
    others = points[_at(deviation, points) > APART]
    if motions == 1 or len(others) < SECOND_SHARE * len(points):
        return [Motion(_bent(measured, model, measured.trust * _near(deviation)), everything)]
    other = _fitted(others, _at(measured.flow, others), size)
    other_deviation = _deviation(measured, other)
    is_second = nearest_label(other_deviation < deviation, measured.trust > 0)
    first = _bent(measured, model, measured.trust * ~is_second * _near(deviation))
    second = _bent(measured, other, measured.trust * is_second * _near(other_deviation))
    return [Motion(first, ~is_second), Motion(second, is_second)]


def nearest_label(label: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`label` bool [h, w] where it is `known`, and elsewhere that of the nearest known pixel."""
    _, index = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_index = np.zeros(index.max() + 1, np.float32)
    by_index[index[known]] = label[known]
    spread = np.where(known, label, by_index[index]).astype(np.float32)
    return np.where(known, label, cv2.GaussianBlur(spread, (0, 0), UNSHARP) > 0.5)


def in_order(way: list[Motion], back: list[Motion]) -> list[Motion]:
    """The motions of the way back in the order of those of the way there."""
    if len(way) < 2 or len(back) < 2:
        return back

    def misses(one: Motion, other: Motion) -> float:
        return float(np.median(np.abs(one.flow + other.flow).sum(-1)))

    straight = misses(way[0], back[0]) + misses(way[1], back[1])
    crossed = misses(way[0], back[1]) + misses(way[1], back[0])
    return back if straight <= crossed else back[::-1]


def squared_length(flow: np.ndarray) -> np.ndarray:
    """The squared length [h, w] of vectors [h, w, 2]; a sum over the last axis takes far longer."""
    return np.square(flow[..., 0]) + np.square(flow[..., 1])


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    columns = points.astype(int)
    return field[columns[:, 1], columns[:, 0]]


def _deviation(measured: Measured, model: np.ndarray) -> np.ndarray:
    return np.sqrt(squared_length(measured.flow - model))


def _near(deviation: np.ndarray) -> np.ndarray:
    """Tukey's weight of vectors that deviate so much: another thing must not bend a motion."""
    return np.square(np.maximum(0, 1 - np.square(deviation / APART)))


def _bent(measured: Measured, model: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The model's flow [h, w, 2], bent to what was measured where `weight` [h, w] says so."""
    return model + push_pull(measured.flow - model, weight)


@lru_cache(maxsize=8)
def grid(size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The places x and y float32 [h, w] of the pixels of a picture; not to be changed."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _fitted(points: np.ndarray, vectors: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The flow [h, w, 2] of the homography through `points` [n, 2] and their `vectors`."""
    height, width = size
    matrix = _matrix(points, points + vectors)
    x, y = grid((height, width))
    if matrix is None or not _is_mild(matrix, width, height):
        return np.broadcast_to(np.median(vectors, 0), (height, width, 2)).astype(np.float32)
    bottom = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    ends = [(row[0] * x + row[1] * y + row[2]) / bottom for row in matrix[:2]]
    flow = np.stack([ends[0] - x, ends[1] - y], -1).astype(np.float32)
    corners = flow[[0, 0, -1, -1], [0, -1, 0, -1]]
    # What a still camera seems to move is noise, and would add up to a drift.
    return np.zeros_like(flow) if np.abs(corners).max() < STILL else flow


def _matrix(points: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
    """The map [3, 3] that most `points` [n, 2] follow to their `ends`; None where there is none.

    It is the simplest one, a similarity before an affine map before a homography, unless the next
    explains clearly more: a map that is free to bend runs through two planes and fits neither, and
    swings far out where nothing is known.
    """
    best, most = None, 0
    fits: list[Callable[[], tuple[Any, Any]]] = [
        lambda: cv2.estimateAffinePartial2D(points, ends, None, cv2.RANSAC, FIT_LIMIT),
        lambda: cv2.estimateAffine2D(points, ends, None, cv2.RANSAC, FIT_LIMIT),
        lambda: cv2.findHomography(points, ends, cv2.RANSAC, FIT_LIMIT),
    ]
    for fit in fits if len(points) >= 8 else []:
        matrix, near = fit()
        if matrix is not None and near.sum() > BETTER * most:
            best, most = matrix, int(near.sum())
        if BETTER * most > len(points):
            break  # no other map can explain enough
    if best is None or len(best) == 3:
        return best
    return np.concatenate([best, [[0.0, 0.0, 1.0]]])


def _is_mild(matrix: np.ndarray, width: int, height: int) -> bool:
    """Whether a homography turns nothing over and changes no area more than fourfold."""
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float32)
    bottom = corners[:, 0] @ matrix[2, :2] + matrix[2, 2]
    if not np.isfinite(matrix).all() or (bottom * matrix[2, 2] <= 0).any():
        return False
    moved = cv2.perspectiveTransform(corners, matrix)
    area = cv2.contourArea(moved, oriented=True) / cv2.contourArea(corners, oriented=True)
    return 0.25 < area < 4


def push_pull(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`values` [h, w, c] where `weight` [h, w] is 1, and smoothly filled from there where it is 0.

    A pyramid of weighted means; what no level knows is 0. float32.
    """
    channels = values.shape[2]
    # As many weights as values: operations that repeat one over a short last axis take far longer.
    wide = cv2.merge([weight.astype(np.float32)] * channels).reshape(values.shape)
    levels: list[tuple[Any, Any]] = [(values.astype(np.float32) * wide, wide)]
    while min(levels[-1][1].shape[:2]) > 2:
        height, width = levels[-1][1].shape[:2]
        half = ((height + 1) // 2, (width + 1) // 2)
        smaller = [cv2.pyrDown(part, dstsize=half[::-1]) for part in levels[-1]]
        levels.append((smaller[0].reshape(*half, channels), smaller[1].reshape(*half, channels)))
    filled = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)
    for weighted, wide in reversed(levels[:-1]):
        size = (wide.shape[1], wide.shape[0])
        filled = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR).reshape(wide.shape)
        # A level speaks for itself where a good part of what it covers is known.
        own = weighted / np.maximum(wide, 1e-6)
        filled += np.minimum(wide, 1) * (own - filled)
    return filled
