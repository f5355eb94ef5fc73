"""Train LGVI: the inflated U-Net, its mask decoder and, if wanted, the text model (Sec. 4.1).

    accelerate launch -m train.train_lgvi --config train/configs/lgvi_paper.yaml

On one process also ``python -m train.train_lgvi --config ...``. Devices, DDP, FSDP and DeepSpeed
are accelerate's own configuration. A run that was stopped goes on from its last checkpoint when it
is started again, and ends with the weights of an uninterrupted one.
"""

import argparse
import logging
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, set_seed
from diffusers.training_utils import EMAModel
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from transformers import CLIPTokenizer

from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline

from . import checkpoints
from .batches import Batch, Batches, CachedBatches, ReaderBatches, fit_frames
from .config import OptimizerConfig, SampleConfig, TrainConfig, read_config
from .data.readers import open_reader
from .lora import comfyui_state
from .model import (
    LGVI,
    build_frozen_vae,
    build_model,
    build_noise_scheduler,
    build_optimizer,
    build_tokenizer,
)
from .objective import encode, frames_as_samples, losses
from .pictures import Row, contact_sheet

logger = logging.getLogger(__name__)

BROKEN_SHARE = 0.01  # training stops when more of the samples than this are broken


def rate_factor(schedule: str, config: OptimizerConfig, step: int, max_steps: int) -> float:
    """The share of the peak learning rate at `step`: warm-up, plateau, fall to 0."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    fall = max(0.0, step / max_steps - config.decay_from) / (1 - config.decay_from)
    if schedule == "linear":
        return warmup * (1 - fall)
    if schedule == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * fall))
    return warmup


class Progress:
    """How far the run is; part of every checkpoint."""

    def __init__(self) -> None:
        self.step = 0
        self.seconds = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.seconds = state["step"], state["seconds"]


class BrokenSamples:
    """Counts the distinct samples that were skipped, and stops at too many."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.names: set[str] = set()

    def add(self, names: tuple[str, ...]) -> None:
        """Raises LGVIError when more than BROKEN_SHARE of the `total` samples are broken."""
        for name in names:
            if name not in self.names:
                self.names.add(name)
                logger.warning("skipped sample %d: %s", len(self.names), name)
        if len(self.names) > BROKEN_SHARE * self.total:
            raise LGVIError(
                f"{len(self.names)} of {self.total} samples are broken, more than "
                f"{BROKEN_SHARE:.0%}; the last: {names[-1]}. `python -m train.data.check` lists "
                "them all."
            )


class Trainer:
    """Everything that one process of a run holds."""

    def __init__(self, config: TrainConfig) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.config = config
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation,
            cpu=config.cpu,
            log_with="tensorboard",
            project_dir=str(config.output),
        )
        set_seed(config.seed)
        self.is_sharded = self.accelerator.distributed_type in (
            DistributedType.FSDP,
            DistributedType.DEEPSPEED,
        )
        if self.is_sharded and (config.optimizer.ema_decay is not None or config.samples):
            raise LGVIError(
                "FSDP and DeepSpeed cut the weights among processes: set optimizer.ema_decay to "
                "null and leave `samples` out"
            )
        self.scheduler = build_noise_scheduler(config)
        self.tokenizer = build_tokenizer(config)
        self.batches, self.broken = open_batches(config, self.tokenizer, self.accelerator)
        needs_vae = config.data.cache is None or config.samples is not None
        self.vae = build_frozen_vae(config).to(self.accelerator.device) if needs_vae else None
        model = build_model(config)
        optimizer = build_optimizer(model, config.optimizer)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.plain: LGVI = self.accelerator.unwrap_model(self.model)
        self.progress = Progress()
        self.accelerator.register_for_checkpointing(self.progress)
        self.ema: EMAModel | None = None
        if config.optimizer.ema_decay is not None:
            self.ema = EMAModel(self.trained(), decay=config.optimizer.ema_decay, foreach=True)
            self.ema.to(self.accelerator.device)
            self.accelerator.register_for_checkpointing(self.ema)

    def trained(self) -> list[torch.nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.plain.parameters() if p.requires_grad]

    def run(self) -> None:
        """The training, or the rest of it."""
        config, accelerator = self.config, self.accelerator
        config.output.mkdir(parents=True, exist_ok=True)
        if accelerator.is_main_process:
            (config.output / "config.json").write_text(config.model_dump_json(indent=2))
        accelerator.init_trackers("tensorboard")
        folder = config.output / "checkpoints"
        if checkpoint := checkpoints.load(accelerator, folder):
            logger.info("goes on from %s", checkpoint)
        first = self.progress.step
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(first * config.gradient_accumulation, len(self.batches)),
            num_workers=config.data.workers,
        )
        hidden = None if accelerator.is_main_process else True  # None: where it is no terminal
        bar = tqdm(total=config.max_steps, initial=first, disable=hidden)
        log = Log(self, bar)
        written = True
        for batch in loader:
            parts = self.train_part(batch)
            log.add(batch, parts)
            if not accelerator.sync_gradients:
                continue
            step = self.progress.step
            bar.update()
            if step % config.log_every == 0:
                log.write()
            if step % config.checkpoint_every == 0 and step < config.max_steps:
                self.save(folder)
            if config.samples is not None and step % config.samples.every == 0:
                self.draw_samples(config.samples)
        bar.close()
        if first < config.max_steps:
            written = self.save(folder)
        accelerator.end_training()
        if not written:
            raise LGVIError(
                f"the last checkpoint could not be written to {folder}: make room "
                "there and start again; training goes on from the one before"
            )
        logger.info("done: %d steps", self.progress.step)

    def train_part(self, batch: Batch) -> dict[str, Tensor]:
        """Forward and backward of one part of a step; at the last part the weights move."""
        self.broken.add(batch.broken)
        config = self.config
        step = self.progress.step
        for group in self.optimizer.param_groups:
            rate = getattr(config.optimizer, group["name"])
            group["lr"] = rate.peak * rate_factor(
                rate.schedule, config.optimizer, step, config.max_steps
            )
        batch = self.to_latents(batch.to(self.accelerator.device))
        with self.accelerator.accumulate(self.model):
            parts = losses(self.model, self.scheduler, batch, config.loss)
            self.accelerator.backward(parts["loss"])
            if self.accelerator.sync_gradients:
                self.accelerator.clip_grad_norm_(
                    self.model.parameters(), config.optimizer.max_grad_norm
                )
            self.optimizer.step()
            self.optimizer.zero_grad()
        if self.accelerator.sync_gradients:
            self.progress.step += 1
            if self.ema is not None:
                self.ema.step(self.trained())
        return {name: value.detach() for name, value in parts.items()}

    def to_latents(self, batch: Batch) -> Batch:
        """The batch with its frames encoded; without inflation, with frames one by one."""
        tensors = {name: getattr(batch, name) for name in ("target", "source")}
        if not batch.is_encoded:
            tensors = {name: encode(self.vae, frames) for name, frames in tensors.items()}
        if not self.config.ablation.video_inflation:
            frames = batch.mask.shape[2]
            tensors |= {n: getattr(batch, n) for n in ("mask", "objects", "noise")}
            tensors = {name: frames_as_samples(value) for name, value in tensors.items()}
            for name in ("tokens", "t", "has_text", "has_video"):
                tensors[name] = getattr(batch, name).repeat_interleave(frames, dim=0)
        return Batch(**{**vars(batch), **tensors})

    def save(self, folder: Path) -> bool:
        """Writes a checkpoint; False where the disk would not take it."""
        return checkpoints.save(
            self.accelerator,
            folder,
            self.progress.step,
            self.weights(),
            self.config.keep_checkpoints,
        )

    def weights(self) -> dict[str, Tensor]:
        """What is exported: averaged weights, or a LoRA's additions, on the CPU."""
        if self.is_sharded:
            return dict(self.accelerator.get_state_dict(self.model))
        with Averaged(self):
            lora = self.config.lora
            state = comfyui_state(self.plain.unet, lora) if lora else self.plain.state_dict()
            return {name: value.cpu().clone() for name, value in state.items()}

    def draw_samples(self, config: SampleConfig) -> None:
        """Writes a picture of source, result, target and mask, and shows it in TensorBoard."""
        if self.accelerator.is_main_process:
            with Averaged(self):
                picture = self.sample_picture(config)
            path = self.config.output / "samples" / f"step-{self.progress.step:08d}.png"
            picture.save(path)
            writer = self.accelerator.get_tracker("tensorboard", unwrap=True)
            writer.add_image(
                "samples", np.asarray(picture.image), self.progress.step, dataformats="HWC"
            )
        self.accelerator.wait_for_everyone()

    def sample_picture(self, config: SampleConfig) -> Any:
        reader = open_reader(config.source)
        pipeline = LGVIPipeline(
            self.plain.unet, self.vae, self.plain.text_encoder, self.tokenizer, self.scheduler
        )
        self.plain.eval()
        rows = []
        for index in range(min(config.count, len(reader))):
            sample = reader.read(index, config.frames, np.random.default_rng(index))
            source, target = sample.source, sample.target
            if self.config.data.cache is None:
                source, target = (fit_frames(x, self.config.data.size) for x in (source, target))
            output = pipeline(
                torch.from_numpy(source).float() / 255,
                sample.sentence,
                steps=config.steps,
                text_scale=config.text_scale,
                video_scale=config.video_scale,
                seed=self.config.seed,
            )
            result = np.round(output.frames.numpy() * 255).astype(np.uint8)
            mask = None if output.mask is None else output.mask.numpy()
            rows.append(Row(sample.sentence, source, result, target, mask))
        self.plain.train()
        return contact_sheet(rows)


class Averaged:
    """Inside it the model has the averaged weights, where there is an average."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def __enter__(self) -> None:
        if self.trainer.ema is not None:
            self.trainer.ema.store(self.trainer.trained())
            self.trainer.ema.copy_to(self.trainer.trained())

    def __exit__(self, *_: object) -> None:
        if self.trainer.ema is not None:
            self.trainer.ema.restore(self.trainer.trained())


class Log:
    """Means since the last entry, to TensorBoard and the progress bar."""

    def __init__(self, trainer: Trainer, bar: Any) -> None:
        self.trainer, self.bar = trainer, bar
        self.parts: list[dict[str, Tensor]] = []
        self.samples, self.frames = 0, 0
        self.since = time.monotonic()

    def add(self, batch: Batch, parts: dict[str, Tensor]) -> None:
        self.parts.append(parts)
        self.samples += len(batch.t)
        self.frames += len(batch.t) * batch.noise.shape[2]

    def write(self) -> None:
        """One entry; losses are means over all processes."""
        accelerator, progress = self.trainer.accelerator, self.trainer.progress
        names = sorted(self.parts[0])
        means = torch.stack([torch.stack([p[n].float() for p in self.parts]).mean() for n in names])
        means = accelerator.reduce(means, reduction="mean")
        now = time.monotonic()
        progress.seconds += now - self.since
        many = accelerator.num_processes / (now - self.since)
        values = {f"loss/{n}": float(v) for n, v in zip(names, means, strict=True)}
        values |= {
            f"rate/{group['name']}": group["lr"] for group in self.trainer.optimizer.param_groups
        }
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
            left = (self.trainer.config.max_steps - progress.step) * (now - self.since)
            left /= len(self.parts) / self.trainer.config.gradient_accumulation
            shown = {name: round(value, 5) for name, value in values.items()}
            logger.info("step %d, %.1f minutes left: %s", progress.step, left / 60, shown)
        self.parts, self.samples, self.frames, self.since = [], 0, 0, now


def memory_gigabytes(device: torch.device) -> float:
    """The GPU's peak, or on a CPU what the process holds."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return psutil.Process().memory_info().rss / 1e9


def open_batches(
    config: TrainConfig, tokenizer: CLIPTokenizer, accelerator: Accelerator
) -> tuple[Batches, BrokenSamples]:
    """The run's batches for this process, and the count of broken samples."""
    place = (accelerator.process_index, accelerator.num_processes)
    if config.data.cache is not None:
        return CachedBatches(config, tokenizer, *place), BrokenSamples(0)
    videos = [open_reader(source) for source in config.data.videos]
    images = [open_reader(source) for source in config.data.images]
    batches = ReaderBatches(config, tokenizer, videos, images, *place)
    return batches, BrokenSamples(sum(map(len, videos)) + sum(map(len, images)))


def train(config: TrainConfig) -> None:
    """Runs the training, or the rest of it."""
    with logging_redirect_tqdm():
        Trainer(config).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see train/config.py")
    args = parser.parse_args()
    first = int(os.environ.get("RANK", "0")) == 0
    logging.basicConfig(
        level=logging.INFO if first else logging.WARNING, format="%(asctime)s %(message)s"
    )
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    try:
        train(read_config(args.config))
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
