"""Learning-rate schedules and averaged weights, for all trainings."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from diffusers.training_utils import EMAModel
from torch import nn


class Schedule(Protocol):
    """Settings for when a learning rate rises and falls, whatever the configuration."""

    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay_from(self) -> float: ...


def rate_factor(schedule: str, config: Schedule, step: int, max_steps: float) -> float:
    """The factor on the peak learning rate at `step`: linear warm-up, plateau, decay to 0.

    `schedule` is the form of the decay, "linear" or "cosine"; with any other there is none.
    """
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    fall = max(0.0, step / max_steps - config.decay_from) / (1 - config.decay_from)
    if schedule == "linear":
        return warmup * (1 - fall)
    if schedule == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * fall))
    return warmup


@contextmanager
def averaged_weights(ema: EMAModel | None, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Context in which `parameters` hold their moving averages; without `ema` nothing changes."""
    if ema is None:
        yield
        return
    ema.store(parameters)
    ema.copy_to(parameters)
    try:
        yield
    finally:
        ema.restore(parameters)
