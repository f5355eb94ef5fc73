"""Train LGVI: the inflated U-Net, its mask decoder and, if wanted, the text model (Sec. 4.1).

    accelerate launch -m train.train_lgvi --config train/configs/lgvi_paper.yaml

On one process also ``python -m train.train_lgvi --config ...``. Devices, DDP, FSDP and DeepSpeed
are accelerate's own configuration. A run that was stopped goes on from its last checkpoint when it
is started again, and ends with the weights of an uninterrupted one.
"""

import argparse
import logging
import sys
import time
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedType,
    GradientAccumulationPlugin,
    InitProcessGroupKwargs,
    set_seed,
)
from diffusers.training_utils import EMAModel
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline

from . import checkpoints
from .batches import CLIPS, PICTURES, Batch, Batches, CachedBatches, ReaderBatches
from .config import (
    DataConfig,
    Rate,
    TrainConfig,
    check_changes,
    read_config,
    write_config,
)
from .data.readers import open_reader
from .data.sample import Reader, Sample
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
from .optimization import averaged, rate_factor
from .pictures import Picture
from .progress import BrokenSamples, Log, Progress, start_logging
from .samples import ProgressPictures

logger = logging.getLogger(__name__)

PATIENCE = timedelta(hours=2)
"""How long processes wait for one that draws pictures or writes and checks a checkpoint."""


class Trainer:
    """Everything that one process of a run holds."""

    def __init__(self, config: TrainConfig) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.config = config
        self.accelerator = build_accelerator(config)
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
        self.batches, self.broken = self.open_batches()
        self.pictures: ProgressPictures | None = None
        if config.samples is not None and self.accelerator.is_main_process:
            size = config.data.size if config.data.cache is None else None
            self.pictures = ProgressPictures(config.samples, size, config.seed)
        needs_vae = config.data.cache is None or config.samples is not None
        self.vae = build_frozen_vae(config).to(self.accelerator.device) if needs_vae else None
        self.model, self.optimizer = self.accelerator.prepare(*self.build())
        self.plain: LGVI = self.accelerator.unwrap_model(self.model)
        if not self.is_sharded:
            checkpoints.keep_trained_only(self.accelerator, self.plain)
        self.progress = Progress()
        self.accelerator.register_for_checkpointing(self.progress)
        self.ema: EMAModel | None = None
        if config.optimizer.ema_decay is not None:
            self.ema = EMAModel(self.trained(), decay=config.optimizer.ema_decay, foreach=True)
            self.ema.to(self.accelerator.device)
            self.accelerator.register_for_checkpointing(self.ema)

    def open_batches(self) -> tuple[Batches, BrokenSamples]:
        """The run's batches for this process, and the count of broken samples."""
        self.tokenizer = build_tokenizer(self.config)
        data, place = self.config.data, self.place()
        if data.cache is not None:
            return CachedBatches(self.config, self.tokenizer, *place), BrokenSamples({})
        readers = open_readers(data)
        return count_broken(ReaderBatches(self.config, self.tokenizer, *readers, *place))

    def build(self) -> tuple[LGVI, torch.optim.Optimizer]:
        """The networks, and the optimizer of what is trained of them."""
        model = build_model(self.config)
        return model, build_optimizer(model, self.config.optimizer)

    def rate(self, part: str) -> Rate:
        """The learning rate of a group of the optimizer."""
        rate: Rate = getattr(self.config.optimizer, part)
        return rate

    def is_exported(self, name: str) -> bool:
        """Whether a tensor of the model belongs into the exported weights."""
        return not name.startswith("attribute_heads.")

    def condition(self, sample: Sample) -> str | Tensor:
        """What the pipeline of the progress pictures gets for a clip's sentence."""
        return sample.sentence

    def place(self) -> tuple[int, int]:
        """(this process's number, number of processes)."""
        return self.accelerator.process_index, self.accelerator.num_processes

    def trained(self) -> list[torch.nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.plain.parameters() if p.requires_grad]

    def run(self) -> None:
        """The training, or the rest of it."""
        config, accelerator = self.config, self.accelerator
        folder = config.output / "checkpoints"
        self.resume(folder)
        first = self.progress.step
        accelerator.init_trackers(
            "tensorboard",
            # What a killed run logged beyond its checkpoint is logged again.
            init_kwargs={"tensorboard": {"purge_step": first + 1}} if first else {},
        )
        workers = config.data.workers if config.data.cache is None else 0
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(first * config.gradient_accumulation, len(self.batches)),
            num_workers=workers,
            worker_init_fn=one_thread,
            # A fork of this process stops for good where a library's threads were running.
            multiprocessing_context="spawn" if workers else None,
            pin_memory=accelerator.device.type == "cuda",
        )
        hidden = None if accelerator.is_main_process else True  # None: where it is no terminal
        bar = tqdm(total=config.max_steps, initial=first, disable=hidden)
        log = Log(accelerator, self.optimizer, self.progress, config, bar)
        written = True
        for batch in loader:
            parts = self.train_part(batch)
            log.add(parts, len(batch.t), batch.noise.shape[2])
            if not accelerator.sync_gradients:
                continue
            step = self.progress.step
            bar.update()
            if step % config.log_every == 0:
                self.broken.share(accelerator)
                log.write()
            if step % config.checkpoint_every == 0 and step < config.max_steps:
                self.save(folder)
            if config.samples is not None and step % config.samples.every == 0:
                self.draw_samples()
        bar.close()
        if first < config.max_steps:
            written = self.save(folder)
        accelerator.wait_for_everyone()
        if accelerator.num_processes > 1:
            # Gloo's threads need the interpreter's lock to let go of the last tensors, and taking
            # the process group down holds it while it waits for them.
            time.sleep(1)
        accelerator.end_training()
        if not written:
            raise LGVIError(
                f"the last checkpoint could not be written to {folder}: make room "
                "there and start again; training goes on from the one before"
            )
        logger.info("done: %d steps", self.progress.step)

    def resume(self, folder: Path) -> None:
        """Goes on from the newest checkpoint, if any, and notes the configuration for the export.

        Raises LGVIError where the checkpoint is of a run that this one cannot go on with.
        """
        config, accelerator = self.config, self.accelerator
        if checkpoint := checkpoints.find(accelerator, folder):
            check_changes(config)
            checkpoints.load(accelerator, checkpoint)
            if self.ema is not None:
                self.ema.to(accelerator.device)  # accelerate has loaded it to the CPU
            logger.info("goes on from %s", checkpoint)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            write_config(config)

    def train_part(self, batch: Batch) -> dict[str, Tensor]:
        """Forward and backward of one part of a step; at the last part the weights move."""
        self.broken.add(batch.kind, batch.broken)
        config = self.config
        step = self.progress.step
        for group in self.optimizer.param_groups:
            rate = self.rate(group["name"])
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
            with self.accelerator.autocast():
                tensors = {name: encode(self.vae, frames) for name, frames in tensors.items()}
        if not self.config.ablation.video_inflation:
            frames = batch.mask.shape[2]
            tensors |= {n: getattr(batch, n) for n in ("mask", "objects", "noise")}
            if batch.attributes is not None:
                tensors["attributes"] = batch.attributes
            tensors = {name: frames_as_samples(value) for name, value in tensors.items()}
            for name in ("text", "t", "has_text", "has_video"):
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
        """What is exported: averaged weights, or a LoRA's additions, on the CPU.

        Empty in all processes but the main one.
        """
        lora = self.config.lora
        if self.is_sharded:
            state = self.accelerator.get_state_dict(self.model)
            if not self.accelerator.is_main_process:
                return {}
            return comfyui_state(self.plain.unet, lora, state) if lora else self.exported(state)
        if not self.accelerator.is_main_process:
            return {}
        with averaged(self.ema, self.trained()):
            state = self.plain.state_dict()
            state = comfyui_state(self.plain.unet, lora) if lora else self.exported(state)
            return {name: value.cpu().clone() for name, value in state.items()}

    def exported(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a state that `is_exported` lets through."""
        return {name: value for name, value in state.items() if self.is_exported(name)}

    def draw_samples(self) -> None:
        """Writes a picture of source, result, target and mask, and shows it in TensorBoard."""
        if self.pictures is not None:
            self.plain.eval()
            with averaged(self.ema, self.trained()), self.accelerator.autocast():
                picture = self.pictures.draw(self.pipeline(), self.condition)
            self.plain.train()
            if picture is not None:
                self.show(picture)
        self.accelerator.wait_for_everyone()

    def pipeline(self) -> LGVIPipeline:
        """The model as it is now, ready to run."""
        return LGVIPipeline(
            self.plain.unet, self.vae, self.plain.text_encoder, self.tokenizer, self.scheduler
        )

    def show(self, picture: Picture) -> None:
        """Into the folder of samples and to TensorBoard; a full disk is no reason to stop."""
        step = self.progress.step
        path = self.config.output / "samples" / f"step-{step:08d}.png"
        try:
            picture.save(path)
        except OSError as error:
            logger.error("%s could not be written: %s", path, error)
            return
        writer = self.accelerator.get_tracker("tensorboard", unwrap=True)
        writer.add_image("samples", np.asarray(picture.image), step, dataformats="HWC")


def build_accelerator(config: TrainConfig) -> Accelerator:
    """accelerate as its own configuration says; what the run's says of the same things counts."""
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
    return accelerator


def open_readers(data: DataConfig) -> tuple[list[Reader], list[Reader]]:
    """The data sets of clips and of pictures."""
    return [open_reader(s) for s in data.videos], [open_reader(s) for s in data.images]


def count_broken(batches: ReaderBatches) -> tuple[Batches, BrokenSamples]:
    """The batches, with a count of what is broken among them."""
    counts = {CLIPS: batches.count(True), PICTURES: batches.count(False)}
    return batches, BrokenSamples(counts)


def one_thread(_: int) -> None:
    """In a loading process: as many threads as processes, whatever OpenCV would take."""
    cv2.setNumThreads(1)


def train(config: TrainConfig) -> None:
    """Runs the training, or the rest of it."""
    with logging_redirect_tqdm():
        Trainer(config).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see train/config.py")
    args = parser.parse_args()
    start_logging()
    try:
        train(read_config(args.config, TrainConfig))
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
