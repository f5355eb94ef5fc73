"""Progress of a run: its step, its broken samples, and its log entries."""

import logging
import math
import os
import time
from collections.abc import Mapping
from typing import Any

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from lgvi_core.errors import LGVIError

from .config import RunConfig

logger = logging.getLogger(__name__)

BROKEN_SHARE = 0.01  # share of the samples of a kind beyond which broken ones stop the training


def start_logging() -> None:
    """Set up the log on the terminal: all messages of the first process, warnings of the others."""
    first = int(os.environ.get("RANK", "0")) == 0
    logging.basicConfig(
        level=logging.INFO if first else logging.WARNING, format="%(asctime)s %(message)s"
    )
    logging.getLogger("accelerate").setLevel(logging.WARNING)


class Progress:
    """Number of finished steps and training time in seconds; part of every checkpoint."""

    def __init__(self) -> None:
        self.step = 0
        self.seconds = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.seconds = state["step"], state["seconds"]


class BrokenSamples:
    """Record of the distinct samples that were skipped; too many of them are an error.

    Videos and images are counted separately: broken videos must not go unnoticed because a run has
    many more images.
    """

    def __init__(self, totals: Mapping[str, int]) -> None:
        """Start an empty record; `totals` is the number of samples of each kind."""
        self.totals = totals
        self.names: set[tuple[str, str]] = set()

    def add(self, kind: str, names: tuple[str, ...]) -> None:
        """Record skipped samples. Raises LGVIError if they exceed the BROKEN_SHARE of a kind."""
        for name in names:
            if (kind, name) not in self.names:
                self.names.add((kind, name))
                logger.warning("skipped sample %d: %s", len(self.names), name)
        if names:
            self._check()

    def merge(self, accelerator: Accelerator) -> None:
        """Merge the records of all processes. Raises LGVIError, in all of them, like `add`."""
        if accelerator.num_processes > 1:
            self.names = set(gather_object(sorted(self.names)))
        self._check()

    def _check(self) -> None:
        for kind, total in self.totals.items():
            names = sorted(name for k, name in self.names if k == kind)
            if len(names) > BROKEN_SHARE * total:
                raise LGVIError(
                    f"{len(names)} of {total} {kind} are broken, more than {BROKEN_SHARE:.0%}; "
                    f"one of them: {names[-1]}. `python -m train.data.check`, with --frames as in "
                    "video_frames, lists them all."
                )


class MetricLog:
    """Mean losses and speed since the last entry, written to TensorBoard and the progress bar."""

    def __init__(
        self,
        accelerator: Accelerator,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        config: RunConfig,
        bar: Any,
    ) -> None:
        self.accelerator, self.optimizer = accelerator, optimizer
        self.progress, self.config, self.bar = progress, config, bar
        self.parts: list[dict[str, Tensor]] = []
        self.samples, self.frames = 0, 0
        self.since = time.monotonic()

    def add(self, parts: dict[str, Tensor], samples: int, frames: int = 1) -> None:
        """Add the losses of one batch with `samples` samples of `frames` frames each.

        They stay tensors on the device, so that this does not wait for the GPU.
        """
        self.parts.append(parts)
        self.samples += samples
        self.frames += samples * frames

    def write(self) -> None:
        """Write an entry with the means over all processes, and start the next one.

        Raises LGVIError if the mean loss is not finite, except in fp16.
        """
        accelerator, progress = self.accelerator, self.progress
        names = sorted(self.parts[0])
        now = time.monotonic()
        means = [torch.stack([p[n].float() for p in self.parts]).mean() for n in names]
        means.append(torch.full_like(means[0], now - self.since))
        shared = accelerator.reduce(torch.stack(means), reduction="mean")
        progress.seconds += float(shared[-1])
        many = accelerator.num_processes / (now - self.since)
        values = {f"loss/{n}": float(v) for n, v in zip(names, shared[:-1], strict=True)}
        self._check(values["loss/loss"])
        values |= {f"rate/{group['name']}": group["lr"] for group in self.optimizer.param_groups}
        values |= {
            "speed/samples_per_second": self.samples * many,
            "speed/frames_per_second": self.frames * many,
            "memory/gigabytes": memory_gigabytes(accelerator.device),
        }
        accelerator.log(values, step=progress.step)
        self.bar.set_postfix(
            loss=f"{values['loss/loss']:.4f}",
            samples_per_s=f"{values['speed/samples_per_second']:.1f}",
            GB=f"{values['memory/gigabytes']:.1f}",
        )
        if self.bar.disable:
            left = (self.config.max_steps - progress.step) * (now - self.since)
            left /= len(self.parts) / self.config.gradient_accumulation
            if self.config.max_minutes is not None:
                left = min(left, 60 * self.config.max_minutes - progress.seconds)
            shown = {name: round(value, 5) for name, value in values.items()}
            logger.info("step %d, %.1f minutes left: %s", progress.step, left / 60, shown)
        self.parts, self.samples, self.frames, self.since = [], 0, 0, now

    def _check(self, loss: float) -> None:
        # In fp16 it is normal that single steps overflow; the gradient scaler skips them.
        if not math.isfinite(loss) and self.config.mixed_precision != "fp16":
            raise LGVIError(
                f"the loss is {loss} at step {self.progress.step}: training has come apart. Lower "
                "the learning rates or raise warmup_steps, remove the newest checkpoint if it was "
                "written since, and start again"
            )


def memory_gigabytes(device: torch.device) -> float:
    """Memory use in gigabytes (1e9 bytes): the GPU's peak, or the process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return psutil.Process().memory_info().rss / 1e9
