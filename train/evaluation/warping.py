"""E_warp, the temporal warping error of Lai et al. (ECCV 2018, Eq. 4 and 5).

The optical flow is that of the target, not of the result: a result is judged by how well it moves
with the true scene, and cannot gain by confusing the flow. Frame t + 1 of the result is warped to
frame t; the error is the mean squared difference of values in 0 to 1, over the channels and the
pixels that are not occluded. A pixel counts as occluded after Ruder et al. (GCPR 2016) where
forward and backward flow disagree, or where the flow has an edge.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from lgvi_core.background.flow import FlowFunction, raft

from .config import DISConfig, RAFTConfig


@dataclass(frozen=True)
class Motion:
    """Optical flow [f - 1, h, w, 2] in pixels from each frame to the next.

    `valid` [f - 1, h, w] is false where a pixel is occluded.
    """

    flow: np.ndarray
    valid: np.ndarray


def flow_function(config: DISConfig | RAFTConfig, device: str) -> FlowFunction:
    """The optical flow method that the configuration chooses."""
    if isinstance(config, RAFTConfig):
        return raft(config.weights, config.size, device)
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def dis(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (one, other)]
        return method.calc(grey[0], grey[1], None)  # type: ignore[call-overload]

    return dis


def motion(frames: np.ndarray, flow: FlowFunction) -> Motion | None:
    """Motion of uint8 frames [f, h, w, 3]; None for a single frame."""
    if len(frames) < 2:
        return None
    pairs = list(pairwise(frames))
    forward = [flow(one, other) for one, other in pairs]
    backward = [flow(other, one) for one, other in pairs]
    valid = [~_occluded(there, back) for there, back in zip(forward, backward, strict=True)]
    return Motion(np.stack(forward), np.stack(valid))


def warping_error(
    frames: np.ndarray, moved: Motion, area: np.ndarray | None = None
) -> float | None:
    """E_warp of uint8 frames [f, h, w, 3]: the mean over the pairs of consecutive frames.

    Where a boolean `area` [f, h, w] is given, only its pixels in the first frame of each pair
    count. None where no pixel counts.
    """
    errors = [error for error in warping_errors(frames, moved, area) if error is not None]
    return float(np.mean(errors)) if errors else None


def warping_errors(
    frames: np.ndarray, moved: Motion, area: np.ndarray | None = None
) -> list[float | None]:
    """The warping error of every pair of frames; None for a pair without a pixel that counts."""
    errors: list[float | None] = []
    for t, (flow, valid) in enumerate(zip(moved.flow, moved.valid, strict=True)):
        counted = valid if area is None else valid & area[t]
        if not counted.any():
            errors.append(None)
            continue
        warped = _warp(frames[t + 1].astype(np.float32) / 255, flow)
        difference = frames[t].astype(np.float32) / 255 - warped
        errors.append(float(np.square(difference[counted]).mean()))
    return errors


def _warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Sample `image` at the positions that `flow` leads to."""
    x, y = _ends(flow)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _ends(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]


def _occluded(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Pixels of the first frame that the second does not show, or whose flow is unreliable."""
    height, width = forward.shape[:2]
    x, y = _ends(forward)
    gone = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    back = _warp(backward, forward)
    squares = np.square(forward).sum(-1) + np.square(back).sum(-1)
    disagree = np.square(forward + back).sum(-1) > 0.01 * squares + 0.5
    slopes = sum(np.square(np.gradient(forward[..., i], axis=(0, 1))).sum(0) for i in (0, 1))
    edge = slopes > 0.01 * np.square(forward).sum(-1) + 0.002
    return gone | disagree | edge
