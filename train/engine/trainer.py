"""The training loop of LGVI, LGVI-I and the chat model.

A stopped run resumes from its last checkpoint when it is started again, and ends with the same
weights as an uninterrupted run.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import cv2
import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedType,
)
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from typing_extensions import Self

from lgvi_core.errors import LGVIError

from . import checkpoints
from .config import RunConfig, write_run_config
from .optimization import averaged_weights
from .progress import BrokenSamples, MetricLog, Progress
from .tracking import start_trackers

logger = logging.getLogger(__name__)

SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)
"""Kinds of distribution that split the weights among processes."""
Tensors = dict[str, Tensor]
"""Tensors by name: a state dict, or the losses of a batch."""


class TrainingBatch(Protocol):
    """A batch as the loop needs it: one process's share of a step, or of a part of the step.

    It has `samples` samples of `frames` frames each, all of one `kind`; `broken` names the samples
    that were skipped.
    """

    @property
    def samples(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def broken(self) -> tuple[str, ...]: ...
    def to(self, device: torch.device) -> Self: ...


Batch = TypeVar("Batch", bound=TrainingBatch)


@dataclass(frozen=True)
class Task(Generic[Batch]):
    """One kind of training, as the loop needs it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Dataset[Batch]
    """The batches of the run, `gradient_accumulation` of them for every step."""
    losses: Callable[[nn.Module, Batch], Tensors]
    """Computes the losses of a batch by name; the one named "loss" is minimised."""
    rate: Callable[[str, int, float], float]
    """The learning rate of an optimizer group, given its name, the step and the run's length."""
    exported: Callable[[Tensors], Tensors]
    """Selects from the model's state what is exported."""
    check_changes: Callable[[], None]
    """Raises LGVIError if the configuration has changed too much for the run to be resumed."""
    workers: int = 0
    """Number of loading processes."""
    broken: BrokenSamples = field(default_factory=lambda: BrokenSamples({}))
    inspect: Callable[["Trainer[Batch]"], None] | None = None
    """Called in all processes every `inspect_every` steps, to draw or check the model's results."""
    inspect_every: int = 1


class Trainer(Generic[Batch]):
    """The training loop in one process of a run, with its model, optimizer and averages."""

    def __init__(self, config: RunConfig, accelerator: Accelerator, task: Task[Batch]) -> None:
        """Prepare the task for `accelerator`.

        Raises LGVIError if weights that are split among processes are to be averaged_weights.
        """
        self.config, self.accelerator, self.task = config, accelerator, task
        self.is_sharded = accelerator.distributed_type in SHARDED
        self.folder = config.output / "checkpoints"
        self.model, self.optimizer = accelerator.prepare(task.model, task.optimizer)
        self.unwrapped: Any = accelerator.unwrap_model(self.model)
        if not self.is_sharded:
            checkpoints.keep_trained_only(accelerator, self.unwrapped)
        self.progress = Progress()
        accelerator.register_for_checkpointing(self.progress)
        self.ema: EMAModel | None = None
        if config.optimizer.ema_decay is not None:
            if self.is_sharded:
                raise LGVIError(
                    "FSDP and DeepSpeed cut the weights among processes: set "
                    "optimizer.ema_decay to null"
                )
            self.ema = EMAModel(self.trained(), decay=config.optimizer.ema_decay, foreach=True)
            self.ema.to(accelerator.device)
            accelerator.register_for_checkpointing(self.ema)

    def run(self) -> None:
        """Run the training, or resume it.

        Raises LGVIError if the final checkpoint cannot be written, if the loss is not finite, or if
        too many samples are broken.
        """
        config, accelerator, task = self.config, self.accelerator, self.task
        self.resume()
        first = self.progress.step
        start_trackers(accelerator, config, first)
        hidden = None if accelerator.is_main_process else True  # None hides it without a terminal
        bar = tqdm(total=config.max_steps, initial=first, disable=hidden)
        log = MetricLog(accelerator, self.optimizer, self.progress, config, bar)
        written = True
        for batch in self.loader(first) if first < self.length() else ():
            log.add(self.train_part(batch), batch.samples, batch.frames)
            if not accelerator.sync_gradients:
                continue
            step = self.progress.step
            bar.update()
            if step % config.log_every == 0:
                task.broken.merge(accelerator)
                log.write()
            if step % config.checkpoint_every == 0 and step < config.max_steps:
                self.save()
            if task.inspect is not None and step % task.inspect_every == 0:
                task.inspect(self)
                accelerator.wait_for_everyone()
            if step >= self.length():
                break
        bar.close()
        if self.progress.step > first:
            written = self.save()
        self._end()
        if not written:
            raise LGVIError(
                f"the last checkpoint could not be written to {self.folder}: make room "
                "there and start again; training goes on from the one before"
            )
        logger.info("done: %d steps", self.progress.step)

    def length(self) -> float:
        """The number of steps of the run; with `max_minutes`, as its speed so far lets expect.

        Time is counted at every log entry, so that all processes agree. A run that is limited by
        time resumes where it was, but does not end with the very weights of an uninterrupted one.
        """
        limit, progress = self.config.max_minutes, self.progress
        if limit is None or progress.seconds == 0:
            return self.config.max_steps
        return min(self.config.max_steps, progress.step * 60 * limit / progress.seconds)

    def resume(self) -> None:
        """Load the newest checkpoint, if any, and record the configuration for the export.

        Raises LGVIError if the checkpoint does not fit the configuration.
        """
        accelerator = self.accelerator
        if checkpoint := checkpoints.find(accelerator, self.folder):
            self.task.check_changes()
            checkpoints.load(accelerator, checkpoint)
            if self.ema is not None:
                self.ema.to(accelerator.device)  # accelerate has loaded it to the CPU
            logger.info("goes on from %s", checkpoint)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            write_run_config(self.config)

    def loader(self, first_step: int) -> DataLoader[Batch]:
        """The batches from `first_step` on, loaded by the task's `workers` processes."""
        batches: Any = self.task.batches
        workers = self.task.workers
        return DataLoader(
            batches,
            batch_size=None,
            sampler=range(first_step * self.config.gradient_accumulation, len(batches)),
            num_workers=workers,
            worker_init_fn=_one_thread,
            # A forked process hangs if a library's threads were running at the time of the fork.
            multiprocessing_context="spawn" if workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
        )

    def train_part(self, batch: Batch) -> Tensors:
        """Run the forward and backward pass of one batch, and return its losses.

        The last batch of a step updates the weights.
        """
        accelerator, task = self.accelerator, self.task
        task.broken.add(batch.kind, batch.broken)
        length = self.length()
        for group in self.optimizer.param_groups:
            group["lr"] = task.rate(group["name"], self.progress.step, length)
        batch = batch.to(accelerator.device)
        with accelerator.accumulate(self.model):
            losses = task.losses(self.model, batch)
            accelerator.backward(losses["loss"])
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(
                    self.model.parameters(), self.config.optimizer.max_grad_norm
                )
            self.optimizer.step()
            self.optimizer.zero_grad()
        if accelerator.sync_gradients:
            self.progress.step += 1
            if self.ema is not None:
                self.ema.step(self.trained())
        return {name: value.detach() for name, value in losses.items()}

    def save(self) -> bool:
        """Write a checkpoint. Returns False if it could not be written."""
        step, keep = self.progress.step, self.config.keep_checkpoints
        return checkpoints.save(self.accelerator, self.folder, step, self.weights(), keep)

    def weights(self) -> Tensors:
        """The exported state, averaged and on the CPU; empty in all but the main process."""
        if self.is_sharded:
            state = self.accelerator.get_state_dict(self.model)
            return self.task.exported(state) if self.accelerator.is_main_process else {}
        if not self.accelerator.is_main_process:
            return {}
        with averaged_weights(self.ema, self.trained()):
            state = self.task.exported(self.unwrapped.state_dict())
            return {name: value.cpu().clone() for name, value in state.items()}

    def trained(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return [p for p in self.unwrapped.parameters() if p.requires_grad]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Context with the averaged weights, in evaluation mode and under autocast."""
        self.unwrapped.eval()
        try:
            with averaged_weights(self.ema, self.trained()), self.accelerator.autocast():
                yield
        finally:
            self.unwrapped.train()

    def _end(self) -> None:
        accelerator = self.accelerator
        accelerator.wait_for_everyone()
        if accelerator.num_processes > 1:
            # Gloo's threads need the GIL to release the last tensors, and destroying the process
            # group holds the GIL while it waits for these threads.
            time.sleep(1)
        accelerator.end_training()


def _one_thread(_: int) -> None:
    """Limit OpenCV in a loading process to one thread."""
    cv2.setNumThreads(1)
