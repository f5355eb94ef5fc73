"""Batches by number: batch n is the same whenever and in whatever process it is made.

So resuming is exact, and a step has the same samples on one process as on many.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lgvi_core.errors import LGVIError

from .batch import Batch
from .config import LossConfig, TrainConfig
from .model import build_noise_scheduler
from .text import TextSource


class Rank(NamedTuple):
    """The rank of this process, and the number of the run's processes."""

    process: int = 0
    processes: int = 1


ALONE = Rank()
"""The rank in a run of a single process."""


@dataclass(frozen=True)
class MicroBatch:
    """The part of a step's samples that one process loads at once."""

    step: int
    is_video: bool
    frames: int
    """Number of frames of each sample."""
    size: int
    """Number of samples in the whole step."""
    samples: range
    """Positions of this part's samples in the step."""
    rng: np.random.Generator
    """The step's random numbers, the same in all its parts."""


class Batches(Dataset[Batch], ABC):
    """The run's batches, `gradient_accumulation` of them per step, for one of several processes."""

    def __init__(self, config: TrainConfig, text: TextSource, rank: Rank = ALONE) -> None:
        """Set up the batches of one process.

        Raises LGVIError if a step's samples cannot be shared evenly among processes and parts, or
        if high noise begins beyond the scheduler's timesteps.
        """
        self.config = config
        self.data = config.data
        self.text = text
        self.parts = config.gradient_accumulation
        self.rank = rank
        joint = config.ablation.image_joint_training
        self.share = config.data.video_share if joint else 1.0
        self.video_from = round(config.data.video_from * config.max_steps)
        self.timesteps = int(build_noise_scheduler(config).config["num_train_timesteps"])
        if config.loss.high_noise_from >= self.timesteps:
            raise LGVIError(
                f"loss.high_noise_from is {config.loss.high_noise_from}: the scheduler has "
                f"{self.timesteps} timesteps, set it below"
            )
        self._check_sizes()

    def __len__(self) -> int:
        return self.config.max_steps * self.parts

    def __getitem__(self, number: int) -> Batch:
        step, part = divmod(number, self.parts)
        is_video = self.videos_before(step + 1) > self.videos_before(step)
        rng = np.random.default_rng([self.config.seed, step])
        frames = int(rng.choice(self.data.video_frames)) if is_video else 1
        size = self.clips_in_step(frames) if is_video else self.data.batch_images
        own = size // (self.parts * self.rank.processes)
        first = part * (size // self.parts) + self.rank.process * own
        return self.load(MicroBatch(step, is_video, frames, size, range(first, first + own), rng))

    @abstractmethod
    def load(self, part: MicroBatch) -> Batch:
        """Load the samples of one part of a step."""

    def videos_before(self, step: int) -> int:
        """The number of steps before `step` that train on videos."""
        return int(max(0, step - self.video_from) * self.share + 1e-9)

    def clips_in_step(self, frames: int) -> int:
        """The number of clips in a step if they have `frames` frames; shorter clips are more."""
        return max(1, self.data.batch_videos * max(self.data.video_frames) // frames)

    def sample_rng(self, step: int, number: int) -> np.random.Generator:
        """The random generator of one sample of a step."""
        return np.random.default_rng([self.config.seed, step, number])

    def draw_noise_and_conditions(
        self, rng: np.random.Generator, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """Draw one sample's timestep, noise of `shape`, and which conditions it sees."""
        loss: LossConfig = self.config.loss
        high = rng.random() < loss.high_noise_share
        t = int(rng.integers(loss.high_noise_from if high else 0, self.timesteps))
        draw = rng.random()
        both = draw >= 1 - loss.drop_both
        no_text = both or draw < loss.drop_text
        no_video = both or loss.drop_text <= draw < loss.drop_text + loss.drop_video
        return {
            "t": t,
            "has_text": not no_text,
            "has_video": not no_video,
            "noise": torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
        }

    def collate(self, samples: list[dict[str, Any]], **given: Any) -> Batch:
        """Stack samples of equal shapes into a batch; `given` sets further fields of it."""
        columns = {name: [sample[name] for sample in samples] for name in samples[0]}
        text, names_anything = self.text.collate(columns.pop("text"))
        tensors: dict[str, Any] = {
            name: torch.stack(values) if isinstance(values[0], Tensor) else torch.tensor(values)
            for name, values in columns.items()
        }
        tensors["has_text"] = tensors["has_text"] & names_anything
        return Batch(**tensors, text=text, **given)

    def _check_sizes(self) -> None:
        sizes = {self.data.batch_images} if self.share < 1 or self.video_from else set()
        if self.share > 0:
            sizes |= {self.clips_in_step(frames) for frames in self.data.video_frames}
        for size in sizes:
            if size % (self.parts * self.rank.processes):
                raise LGVIError(
                    f"a step of {size} samples cannot be shared evenly by {self.rank.processes} "
                    f"processes of {self.parts} parts: change batch_images or batch_videos (at "
                    f"{max(self.data.video_frames)} frames)"
                )
