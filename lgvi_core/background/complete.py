"""Flow completion: what the background's motion is where an object hides it.

The motion of the surroundings is fitted by a homography; what it leaves over is filled from the
rim inwards; and vectors that belong to something else, such as a trunk in front, are left out.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SAMPLES = 800
"""Vectors that a homography is fitted to: more make it slower and not better."""
FEW = 100
"""Fully trusted vectors below which those trusted less have their say, too."""
FIT_LIMIT = 0.5
"""Pixels by which a vector may miss the homography and still speak for it."""
BETTER = 1.1
"""How many times an affine map's vectors a homography must explain to be preferred."""
SPREAD = 1.0
"""Pixels of deviation from the homography at which a vector counts a quarter in the rest."""
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
    """The flow [h, w, 2] in pixels from one frame to another; how far it is trusted [h, w], 0..1."""

    flow: np.ndarray
    trust: np.ndarray


@dataclass(frozen=True)
class Motion:
    """One way in which the background may move: float32 flow [h, w, 2], given everywhere.

    `unsure` bool [h, w] are pixels near an edge between two motions, which may be of either.
    """

    flow: np.ndarray
    unsure: np.ndarray


def completed(measured: Measured, motions: int) -> list[Motion]:
    """How the background may move where nothing is known of it, the likeliest guess first.

    With one motion around, or `motions` = 1, that is all. With two, the guess gives each hidden
    pixel the motion that prevails around it; it is followed by each of the two motions alone, for
    pixels where the guess turns out to lead nowhere.
    """
    points = np.argwhere(measured.trust == 1)[:, ::-1].astype(np.float32)
    if len(points) < FEW:
        points = np.argwhere(measured.trust > 0)[:, ::-1].astype(np.float32)
    sure = np.zeros(measured.trust.shape, bool)
    if len(points) < 8:
        return [Motion(np.zeros_like(measured.flow), sure)]
    if len(points) > SAMPLES:
        points = points[np.linspace(0, len(points) - 1, SAMPLES).astype(int)]
    first, deviation = _one_motion(measured, points)
    columns = points.astype(int)
    others = points[deviation[columns[:, 1], columns[:, 0]] > APART]
    if motions == 1 or len(others) < SECOND_SHARE * len(points):
        return [Motion(first, sure)]
    second, other_deviation = _one_motion(measured, others)
    votes = np.stack([deviation, other_deviation], -1) < APART
    labels = push_pull(votes, measured.trust)
    is_second = labels[..., 1] > labels[..., 0]
    apart = np.square(first - second).sum(-1) > APART**2
    guess = np.where(is_second[..., None], second, first)
    unsure = _edges(is_second) & apart
    return [Motion(guess, unsure), Motion(first, sure), Motion(second, sure)]


def _edges(labels: np.ndarray) -> np.ndarray:
    """Pixels within UNSHARP of one that has the other label, bool [h, w]."""
    kernel = np.ones((2 * UNSHARP + 1, 2 * UNSHARP + 1), np.uint8)
    values = labels.astype(np.uint8)
    return cv2.dilate(values, kernel) != cv2.erode(values, kernel)


def _one_motion(measured: Measured, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The field of the motion that most `points` follow, and each vector's deviation [h, w]."""
    columns = points.astype(int)
    vectors = measured.flow[columns[:, 1], columns[:, 0]]
    model = _fitted(points, vectors, measured.flow.shape[:2])
    rest = measured.flow - model
    deviation = np.sqrt(np.square(rest).sum(-1))
    weight = measured.trust / np.square(1 + np.square(deviation / SPREAD))
    return model + push_pull(rest, weight.astype(np.float32)), deviation


def _fitted(points: np.ndarray, vectors: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The flow [h, w, 2] of the homography through `points` [n, 2] and their `vectors`."""
    height, width = size
    matrix = _matrix(points, points + vectors)
    y, x = np.mgrid[:height, :width].astype(np.float32)
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

    It is affine unless a homography explains clearly more: the two further degrees of freedom
    bend a plane towards another one, and swing far out where nothing is known.
    """
    if len(points) < 8:
        return None
    affine, near = cv2.estimateAffine2D(points, ends, None, cv2.RANSAC, FIT_LIMIT)
    matrix, close = cv2.findHomography(points, ends, cv2.RANSAC, FIT_LIMIT)
    if affine is None or (matrix is not None and close.sum() > BETTER * near.sum()):
        return matrix
    return np.concatenate([affine, [[0.0, 0.0, 1.0]]])


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
    weighted = values.astype(np.float32) * weight[..., None]
    levels = [(weighted, weight.astype(np.float32))]
    while min(levels[-1][1].shape) > 2:
        height, width = levels[-1][1].shape
        half = ((width + 1) // 2, (height + 1) // 2)
        levels.append(tuple(cv2.pyrDown(part, dstsize=half) for part in levels[-1]))  # type: ignore[arg-type]
    filled = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)[..., None]
    for weighted, weight in reversed(levels[:-1]):
        height, width = weight.shape
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
        # A level speaks for itself where a good part of what it covers is known.
        trust = np.minimum(weight, 1)[..., None]
        own = weighted / np.maximum(weight, 1e-6)[..., None]
        filled = trust * own + (1 - trust) * filled.reshape(own.shape)
    return filled
