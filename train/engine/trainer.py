"""The training loop of LGVI, LGVI-I and the chat model.

A run that was stopped goes on from its last checkpoint when it is started again, and ends with the
weights of an uninterrupted one.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, Protocol, Self, TypeVar

import cv2
import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedType,
    GradientAccumulationPlugin,
    InitProcessGroupKwargs,
    set_seed,
)
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from lgvi_core.errors import LGVIError

from . import checkpoints
from .config import RunConfig, write_run_config
from .optimization import averaged
from .progress import BrokenSamples, Log, Progress

logger = logging.getLogger(__name__)

PATIENCE = timedelta(hours=2)
"""How long processes wait for one that draws pictures or writes and checks a checkpoint."""
SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)
State = dict[str, Tensor]


class TrainingBatch(Protocol):
    """What the loop asks of a batch: one process's part of a step."""

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
    """What one kind of training brings to the loop.

    `batches` has `gradient_accumulation` batches for every step of the run. `losses` gives the
    losses of one by name, of which "loss" is minimised. `rate` is the learning rate of a group of
    the optimizer, by its name, at a step. `exported` picks from the model's state what is exported.
    `check_changes` raises LGVIError where a run's configuration has changed too much for it to go
    on. `look` is called every `look_every` steps in all processes, to draw or to check.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Dataset[Batch]
    losses: Callable[[nn.Module, Batch], State]
    rate: Callable[[str, int], float]
    exported: Callable[[State], State]
    check_changes: Callable[[], None]
    workers: int = 0
    broken: BrokenSamples = field(default_factory=lambda: BrokenSamples({}))
    look: Callable[["Trainer[Batch]"], None] | None = None
    look_every: int = 1


class Trainer(Generic[Batch]):
    """One process of a run: model, optimizer, averages and progress, and the loop over them."""

    def __init__(self, config: RunConfig, accelerator: Accelerator, task: Task[Batch]) -> None:
        """Raises LGVIError where weights cut among processes are to be averaged."""
        self.config, self.accelerator, self.task = config, accelerator, task
        self.is_sharded = accelerator.distributed_type in SHARDED
        self.folder = config.output / "checkpoints"
        self.model, self.optimizer = accelerator.prepare(task.model, task.optimizer)
        self.plain: Any = accelerator.unwrap_model(self.model)
        if not self.is_sharded:
            checkpoints.keep_trained_only(accelerator, self.plain)
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
        """The training, or the rest of it. Raises LGVIError where its end could not be written."""
        config, accelerator, task = self.config, self.accelerator, self.task
        self.resume()
        first = self.progress.step
        accelerator.init_trackers(
            "tensorboard",
            # What a killed run logged beyond its checkpoint is logged again.
            init_kwargs={"tensorboard": {"purge_step": first + 1}} if first else {},
        )
        hidden = None if accelerator.is_main_process else True  # None: where it is no terminal
        bar = tqdm(total=config.max_steps, initial=first, disable=hidden)
        log = Log(accelerator, self.optimizer, self.progress, config, bar)
        written = True
        for batch in self.loader(first):
            log.add(self.train_part(batch), batch.samples, batch.frames)
            if not accelerator.sync_gradients:
                continue
            step = self.progress.step
            bar.update()
            if step % config.log_every == 0:
                task.broken.share(accelerator)
                log.write()
            if step % config.checkpoint_every == 0 and step < config.max_steps:
                self.save()
            if task.look is not None and step % task.look_every == 0:
                task.look(self)
                accelerator.wait_for_everyone()
        bar.close()
        if first < config.max_steps:
            written = self.save()
        self._end()
        if not written:
            raise LGVIError(
                f"the last checkpoint could not be written to {self.folder}: make room "
                "there and start again; training goes on from the one before"
            )
        logger.info("done: %d steps", self.progress.step)

    def resume(self) -> None:
        """Go on from the newest checkpoint, if any, and note the configuration for the export.

        Raises LGVIError where the checkpoint is of a run that this one cannot go on with.
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
        """The batches from a step on, loaded by `workers` processes."""
        batches: Any = self.task.batches
        workers = self.task.workers
        return DataLoader(
            batches,
            batch_size=None,
            sampler=range(first_step * self.config.gradient_accumulation, len(batches)),
            num_workers=workers,
            worker_init_fn=_one_thread,
            # A fork of this process stops for good where a library's threads were running.
            multiprocessing_context="spawn" if workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
        )

    def train_part(self, batch: Batch) -> State:
        """Forward and backward of one part of a step; at the last part the weights move."""
        accelerator, task = self.accelerator, self.task
        task.broken.add(batch.kind, batch.broken)
        for group in self.optimizer.param_groups:
            group["lr"] = task.rate(group["name"], self.progress.step)
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
        """Write a checkpoint; False where the disk would not take it."""
        step, keep = self.progress.step, self.config.keep_checkpoints
        return checkpoints.save(self.accelerator, self.folder, step, self.weights(), keep)

    def weights(self) -> State:
        """What is exported, with averaged weights, on the CPU; nothing but in the main process."""
        if self.is_sharded:
            state = self.accelerator.get_state_dict(self.model)
            return self.task.exported(state) if self.accelerator.is_main_process else {}
        if not self.accelerator.is_main_process:
            return {}
        with averaged(self.ema, self.trained()):
            state = self.task.exported(self.plain.state_dict())
            return {name: value.cpu().clone() for name, value in state.items()}

    def trained(self) -> list[nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.plain.parameters() if p.requires_grad]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within it the model has its averaged weights, in evaluation mode and autocast."""
        self.plain.eval()
        with averaged(self.ema, self.trained()), self.accelerator.autocast():
            yield
        self.plain.train()

    def _end(self) -> None:
        accelerator = self.accelerator
        accelerator.wait_for_everyone()
        if accelerator.num_processes > 1:
            # Gloo's threads need the interpreter's lock to let go of the last tensors, and taking
            # the process group down holds it while it waits for them.
            time.sleep(1)
        accelerator.end_training()


def start(config: RunConfig) -> Accelerator:
    """The first thing of every run: threads, accelerate and the seed.

    Devices, DDP, FSDP and DeepSpeed are as `accelerate config` says; precision and accumulation as
    the run's configuration does.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        # As a plugin, since a number gives way to the launcher's environment.
        gradient_accumulation_plugin=GradientAccumulationPlugin(config.gradient_accumulation),
        cpu=config.cpu,
        log_with="tensorboard",
        project_dir=str(config.output),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    if (plugin := accelerator.state.deepspeed_plugin) is not None:
        plugin.deepspeed_config.update(
            # No DataLoader is prepared from which accelerate could read it; batches come ready.
            train_micro_batch_size_per_gpu=1,
            gradient_accumulation_steps=config.gradient_accumulation,
            gradient_clipping=config.optimizer.max_grad_norm,
        )
    set_seed(config.seed)
    return accelerator


def _one_thread(_: int) -> None:
    """In a loading process: as many threads as processes, whatever OpenCV would take."""
    cv2.setNumThreads(1)
