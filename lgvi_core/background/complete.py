"""Flow completion: what the background's motion is where an object hides it.

The motion of the surroundings is fitted by a homography; what it leaves over is filled from the
rim inwards; and vectors that belong to something else, such as a trunk in front, are left out.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SAMPLES = 800
"""Vectors that a homography is fitted to: more make it slower and not better."""
FIT_LIMIT = 0.5
"""Pixels by which a vector may miss the homography and still speak for it."""
SPREAD = 1.0
"""Pixels of deviation from the homography at which a vector counts a quarter in the rest."""
STILL = 0.08
"""Pixels that a still camera's homography moves no corner by; below, nothing moves."""
SECOND_SHARE = 0.08
"""The share of the vectors around that a second motion must have to be looked for."""


@dataclass(frozen=True)
class Measured:
    """The flow [h, w, 2] in pixels from one frame to another, and where it is trusted [h, w]."""

    flow: np.ndarray
    known: np.ndarray


def completed(measured: Measured, motions: int) -> list[np.ndarray]:
    """The background's flow [h, w, 2] everywhere, once for each motion that was found.

    The first follows most vectors that are known, the second those that the first does not explain.
    """
    points = np.argwhere(measured.known)[:, ::-1].astype(np.float32)
    if len(points) < 8:
        return [np.zeros_like(measured.flow)]
    if len(points) > SAMPLES:
        points = points[np.linspace(0, len(points) - 1, SAMPLES).astype(int)]
    fields: list[np.ndarray] = []
    for _ in range(motions):
        field, deviation = _one_motion(measured, points)
        fields.append(field)
        columns = points.astype(int)
        points = points[deviation[columns[:, 1], columns[:, 0]] > 3 * FIT_LIMIT]
        if len(points) < SECOND_SHARE * SAMPLES:
            break
    return fields


def _one_motion(measured: Measured, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The field of the motion that most `points` follow, and each vector's deviation [h, w]."""
    columns = points.astype(int)
    vectors = measured.flow[columns[:, 1], columns[:, 0]]
    model = _fitted(points, vectors, measured.flow.shape[:2])
    rest = measured.flow - model
    deviation = np.sqrt(np.square(rest).sum(-1))
    weight = measured.known / np.square(1 + np.square(deviation / SPREAD))
    return model + push_pull(rest, weight.astype(np.float32)), deviation


def _fitted(points: np.ndarray, vectors: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The flow [h, w, 2] of the homography through `points` [n, 2] and their `vectors`."""
    height, width = size
    matrix = None
    if len(points) >= 8:
        matrix, _ = cv2.findHomography(points, points + vectors, cv2.USAC_MAGSAC, FIT_LIMIT)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if matrix is None or not _is_mild(matrix, width, height):
        return np.broadcast_to(np.median(vectors, 0), (height, width, 2)).astype(np.float32)
    bottom = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    ends = [(row[0] * x + row[1] * y + row[2]) / bottom for row in matrix[:2]]
    flow = np.stack([ends[0] - x, ends[1] - y], -1).astype(np.float32)
    corners = flow[[0, 0, -1, -1], [0, -1, 0, -1]]
    # What a still camera seems to move is noise, and would add up to a drift.
    return np.zeros_like(flow) if np.abs(corners).max() < STILL else flow


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
