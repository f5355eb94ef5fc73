"""What the trainings do alike with their optimizer: the learning rate, and averaged weights."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from diffusers.training_utils import EMAModel
from torch import nn


class Schedule(Protocol):
    """When a learning rate rises and falls, in any of the configurations."""

    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay_from(self) -> float: ...


def rate_factor(schedule: str, config: Schedule, step: int, max_steps: int) -> float:
    """The share of the peak learning rate at `step`: warm-up, plateau, fall to 0."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    fall = max(0.0, step / max_steps - config.decay_from) / (1 - config.decay_from)
    if schedule == "linear":
        return warmup * (1 - fall)
    if schedule == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * fall))
    return warmup


@contextmanager
def averaged(ema: EMAModel | None, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Within it the parameters have their averages, where there are any."""
    if ema is None:
        yield
        return
    ema.store(parameters)
    ema.copy_to(parameters)
    try:
        yield
    finally:
        ema.restore(parameters)
