"""Frames to train and test an autoencoder on: generated clips, collages and photographs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...engine.workers import map_in_workers
from ..collage.frames import collage_frames, photograph_frames, split_pictures
from ..drawn.numbered import FRAME_SIZES
from .samples import make_sample

CROP = 64  # side of a training crop in pixels
RENDERED_AT_ONCE = 50  # frames that a process renders in one go


def render_frames(split: str, count: int, start: int = 0) -> list[np.ndarray]:
    """Render one frame, uint8 [h, w, 3], of each of `count` scenes, alternating the frame size."""
    frames = []
    for number in range(start, start + count):
        height, width = FRAME_SIZES[number % len(FRAME_SIZES)]
        sample = make_sample(split, number, 1, height, width)
        frames.append((sample.source if number % 4 else sample.target)[0])
    return frames


@dataclass(frozen=True)
class Rendering:
    """A number of frames to render for training."""

    kind: str
    """"generated", "collages" or "photographs"."""
    numbers: range


@dataclass(frozen=True)
class Renderer:
    """Factory of a function that renders frames, for worker processes."""

    collage: Path | None

    def __call__(self) -> Callable[[Rendering], list[np.ndarray]]:
        return self.render

    def render(self, job: Rendering) -> list[np.ndarray]:
        """Render frames of a kind, uint8 [h, w, 3]."""
        if job.kind == "generated":
            return render_frames("train", len(job.numbers), job.numbers.start)
        assert self.collage is not None
        used, _ = split_pictures(self.collage)
        if job.kind == "collages":
            return collage_frames(self.collage, used, 0, job.numbers)
        return photograph_frames(used, 0, job.numbers)


def render_pool(count: int, collage: Path | None, workers: int) -> list[np.ndarray]:
    """Render `count` frames to train on, by several processes."""
    kinds = ("generated",) if collage is None else ("generated", "collages", "photographs")
    each = count // len(kinds)
    jobs = [
        Rendering(kind, range(first, min(first + RENDERED_AT_ONCE, each)))
        for kind in kinds
        for first in range(0, each, RENDERED_AT_ONCE)
    ]
    return [f for found in map_in_workers(Renderer(collage), jobs, workers) for f in found]


def render_tests(collage: Path | None) -> dict[str, list[np.ndarray]]:
    """Render frames that are kept apart, by kind."""
    tests = {"generated": render_frames("held-out", 32)}
    if collage is not None:
        _, apart = split_pictures(collage)
        tests["collages"] = collage_frames(collage, apart, 1, range(32))
        tests["photographs"] = photograph_frames(apart, 1, range(32))
    return tests


def random_crops(frames: list[np.ndarray], rng: np.random.Generator, count: int) -> Tensor:
    """Random crops of `frames`: [count, 3, CROP, CROP] in -1 to 1, about half of them mirrored."""
    crops = []
    for index in rng.integers(len(frames), size=count):
        frame = frames[index]
        top = rng.integers(frame.shape[0] - CROP + 1)
        left = rng.integers(frame.shape[1] - CROP + 1)
        crop = frame[top : top + CROP, left : left + CROP]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    return batch.float() / 127.5 - 1
