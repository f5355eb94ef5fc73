"""Figures of a filled clip against its true background, and the clips that pictures come from."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from train.evaluation.config import DISConfig
from train.evaluation.warping import flow_function, motion, warping_error


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
    if errors[0] is None or not errors[1]:
        return float("nan")
    return errors[0] / errors[1]


def read(path: Path, first: int, count: int) -> np.ndarray:
    """uint8 RGB frames [count, h, w, 3] of a file from the frame `first` on."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        chosen = [
            frame.to_ndarray(format="rgb24")
            for number, frame in zip(range(first + count), frames, strict=False)
            if number >= first
        ]
    return np.stack(chosen)


def resized(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """Frames [f, h, w, 3] or masks [f, h, w] at another size."""
    size = (width, height)
    return np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in frames])


def moving_masks(frames: np.ndarray, still: np.ndarray, threshold: float = 30) -> Iterator[np.ndarray]:
    """Masks float32 [h, w] of what differs from the `still` picture, as an artist would clean them."""
    for frame in frames:
        difference = np.abs(frame.astype(np.int16) - still.astype(np.int16)).max(-1)
        hard = (cv2.GaussianBlur(difference.astype(np.float32), (0, 0), 1.5) > threshold)
        hard = cv2.morphologyEx(hard.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
        hard = cv2.morphologyEx(hard, cv2.MORPH_CLOSE, np.ones((15, 15)))
        yield cv2.dilate(hard, np.ones((9, 9))).astype(np.float32)
