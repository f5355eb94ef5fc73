"""Single frames of collages and of photographs, to train and test the autoencoder on."""

from pathlib import Path

import cv2
import numpy as np

from ..drawn.numbered import FRAME_SIZES
from .backgrounds import Picture, footage, list_backgrounds, photograph
from .scenes import draw_collage, sample_collage

APART = 6  # every sixth picture is kept apart
_STREAM = 11  # of the seeds, so that no other drawing shares them


def split_pictures(folder: Path) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """Split the pictures of training into those to train on and those kept apart."""
    pictures = list_backgrounds(folder)
    apart = tuple(p for p in pictures[::APART] if not p.is_clip)
    return tuple(p for p in pictures if p not in apart), apart


def collage_frames(
    folder: Path, pictures: tuple[Picture, ...], stream: int, numbers: range
) -> list[np.ndarray]:
    """Draw frames, uint8 [h, w, 3], of collages on the given pictures, by their numbers."""
    frames = []
    for number in numbers:
        height, width = FRAME_SIZES[number % len(FRAME_SIZES)]
        rng = np.random.default_rng([_STREAM, stream, number])
        collage = sample_collage(rng, folder, 1, width / height, pictures)
        layers = draw_collage(collage, height, width)
        frames.append(layers.compose(range(len(collage.pasted)))[0])
    return frames


def photograph_frames(
    pictures: tuple[Picture, ...], stream: int, numbers: range
) -> list[np.ndarray]:
    """Cut frames, uint8 [h, w, 3], out of photographs, near and far, by their numbers."""
    frames = []
    for number in numbers:
        height, width = FRAME_SIZES[number % len(FRAME_SIZES)]
        rng = np.random.default_rng([_STREAM + 1, stream, number])
        chosen = pictures[rng.integers(len(pictures))]
        if chosen.is_clip:
            clip = footage(chosen.path)
            picture = clip[rng.integers(len(clip))]
        else:
            picture = photograph(chosen.path)
        largest = min(picture.shape[0] / height, picture.shape[1] / width)
        scale = np.exp(rng.uniform(np.log(min(0.9, largest)), np.log(largest)))
        rows, columns = int(height * scale), int(width * scale)
        top = int(rng.integers(picture.shape[0] - rows + 1))
        left = int(rng.integers(picture.shape[1] - columns + 1))
        part = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
        frames.append(cv2.resize(part, (width, height), interpolation=method))
    return frames
