"""Train the inflated U-Net, its mask decoder and a CLIP text model together (paper Sec. 4.1).

    python -m train.train_autoencoder --output .runs/autoencoder
    python -m train.latent_cache --vae .runs/autoencoder --output .runs/latents
    python -m train.train_lgvi --config train/configs/lgvi_mini.yaml
    python -m train.export --run .runs/lgvi-mini --output lgvi_core/weights/lgvi-mini

Several processes: `torchrun --nproc-per-node 2 -m train.train_lgvi --config ...`. A run that was
stopped goes on from its last checkpoint when it is started again.
"""

import argparse
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, set_seed
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from lgvi_core.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.unet import InflatedUNet, UNetConfig

from .batches import Batch, BatchMaker
from .config import LossConfig, OptimizerConfig, TrainConfig, read_config
from .latent_cache import LatentCache

logger = logging.getLogger(__name__)


class LGVI(nn.Module):
    """U-Net and text encoder as one module: one forward pass, one set of gradients."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        attention = matmul_attention if config.matmul_attention else scaled_dot_product_attention
        self.unet = InflatedUNet(UNetConfig(**config.unet), attention=attention)
        self.unet.initialise_new_parts()
        text_config = CLIPTextConfig(**config.text_encoder)
        if config.matmul_attention:
            text_config._attn_implementation = "eager"
        self.text_encoder = CLIPTextModel(text_config)

    def forward(
        self, z_t: Tensor, t: Tensor, tokens: Tensor, c_x: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Prediction [b, 4, f, h, w] and mask logits [b, 1, f, h, w] or None."""
        text = self.text_encoder(tokens).last_hidden_state
        output = self.unet(z_t, t, text, c_x)
        return output.noise_pred, output.mask_logits


def make_optimizer(model: LGVI, config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW; the mask decoder has its own learning rate, vectors and embeddings no decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and "embedding" not in name
        groups.setdefault(("mask_decoder" in name, decays), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.mask_learning_rate if of_mask else config.learning_rate,
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (of_mask, decays), parameters in groups.items()
        ],
        betas=config.betas,
        fused=True,  # on a CPU the default takes a fifth of a step
    )


def learning_rate_factor(config: OptimizerConfig, step: int, progress: float) -> float:
    """Linear warm-up, a plateau, and a linear fall to zero at `progress` 1."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return warmup * min(1.0, max(0.0, 1 - progress) / (1 - config.decay_from))


def losses(
    model: nn.Module, scheduler: DDIMScheduler, batch: Batch, config: LossConfig
) -> dict[str, Tensor]:
    """Eq. 3: "diffusion", "mask", and their weighted sum "loss".

    The removed area, widened by one latent pixel, counts `object_weight` times in both: it is a
    few percent of the frame, and everything else is a copy of the source.
    """
    t: Any = batch.t
    z_t = scheduler.add_noise(batch.z_0, batch.noise, t)
    if scheduler.config["prediction_type"] == "v_prediction":
        target = scheduler.get_velocity(batch.z_0, batch.noise, t)
    else:
        target = batch.noise
    prediction, mask_logits = model(z_t, t, batch.tokens, batch.c_x)

    widened = F.max_pool3d(batch.mask, (1, 3, 3), stride=1, padding=(0, 1, 1))
    weight = 1 + (config.object_weight - 1) * widened
    error = (prediction.float() - target).square().mean(1, keepdim=True)
    parts = {"diffusion": (weight * error).sum() / weight.sum()}
    parts["loss"] = parts["diffusion"]
    if mask_logits is not None:
        entropy = F.binary_cross_entropy_with_logits(
            mask_logits.float(), batch.mask, reduction="none"
        )
        weight = weight * batch.told[:, None, None, None, None]
        parts["mask"] = (weight * entropy).sum() / weight.sum().clamp(min=1)
        parts["loss"] = parts["loss"] + config.mask_weight * parts["mask"]
    return parts


class Progress:
    """How far the run is. It is counted in time or steps, and is part of a checkpoint."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.step = 0
        self.samples = 0
        self.seconds = 0.0
        self._since = time.monotonic()

    def tick(self, samples: int) -> None:
        """One more step is done."""
        now = time.monotonic()
        elapsed = torch.tensor(self.seconds + now - self._since, dtype=torch.float64)
        # All processes go by the first one's clock, so that they stop at the same step.
        self.seconds, self._since = float(broadcast(elapsed)), now
        self.step, self.samples = self.step + 1, self.samples + samples

    @property
    def done(self) -> float:
        """Share of the run that is over, 0 to 1."""
        if self.config.max_steps is not None:
            return min(1.0, self.step / self.config.max_steps)
        assert self.config.minutes is not None
        return min(1.0, self.seconds / (60 * self.config.minutes))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "samples": self.samples, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.samples = state["step"], state["samples"]
        self.seconds, self._since = state["seconds"], time.monotonic()


def save_checkpoint(accelerator: Accelerator, ema: EMAModel, model: LGVI, folder: Path) -> None:
    """Writes the whole state, and the averaged weights by themselves, replacing the last ones.

    The new checkpoint is complete before the old one goes, so that one always exists.
    """
    partial, old = folder.with_name("checkpoint.partial"), folder.with_name("checkpoint.old")
    accelerator.save_state(str(partial), safe_serialization=False)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        ema.store(model.parameters())
        ema.copy_to(model.parameters())
        torch.save(model.state_dict(), partial / "ema.pt")
        ema.restore(model.parameters())
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def train(config: TrainConfig) -> None:
    """Runs the training, or the rest of it."""
    torch.set_num_threads(config.threads)
    accelerator = Accelerator(mixed_precision=config.mixed_precision, cpu=config.cpu)
    set_seed(config.seed)
    config.output.mkdir(parents=True, exist_ok=True)
    (config.output / "config.json").write_text(config.model_dump_json(indent=2))

    scheduler = DDIMScheduler(**config.scheduler)
    model = LGVI(config)
    ema = EMAModel(model.parameters(), decay=config.optimizer.ema_decay, foreach=True)
    ema.to(accelerator.device)
    optimizer = make_optimizer(model, config.optimizer)
    peaks = [group["lr"] for group in optimizer.param_groups]
    model, optimizer = accelerator.prepare(model, optimizer)
    plain = accelerator.unwrap_model(model)
    progress = Progress(config)
    accelerator.register_for_checkpointing(progress, ema)

    cache = LatentCache(config.data.cache)
    logger.info("%d cached scenes", cache.refresh())
    tokenizer = CLIPTokenizer.from_pretrained(config.tokenizer)
    maker = BatchMaker(cache, tokenizer, config.data, config.loss, config.seed)

    folder = config.output / "checkpoint"
    if not folder.exists() and (old := folder.with_name("checkpoint.old")).exists():
        folder = old  # killed between the two renames of save_checkpoint
    if folder.exists():
        accelerator.load_state(str(folder))
        logger.info("resumed at step %d", progress.step)
    folder = config.output / "checkpoint"
    saved, recent, frames = progress.seconds, [], 0
    logged = time.monotonic()

    while (done := progress.done) < 1:
        factor = learning_rate_factor(config.optimizer, progress.step, done)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        batch = maker.make(progress.step, done, accelerator.process_index)
        parts = losses(model, scheduler, batch.to(accelerator.device), config.loss)
        accelerator.backward(parts["loss"])
        accelerator.clip_grad_norm_(model.parameters(), config.optimizer.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(plain.parameters())

        progress.tick(len(batch.z_0) * accelerator.num_processes)
        recent.append({name: float(value.detach()) for name, value in parts.items()})
        frames += len(batch.z_0) * batch.z_0.shape[2]
        if progress.step % config.log_every == 0:
            now = time.monotonic()
            means = {k: round(sum(r[k] for r in recent) / len(recent), 4) for k in recent[0]}
            record = {
                "step": progress.step,
                "samples": progress.samples,
                "minutes": round(progress.seconds / 60, 1),
                "lr_factor": round(factor, 3),
                "frames_per_second": round(frames * accelerator.num_processes / (now - logged), 1),
                **means,
            }
            logger.info("%s", json.dumps(record))
            recent, frames, logged = [], 0, now
        if progress.seconds - saved > 60 * config.checkpoint_minutes:
            save_checkpoint(accelerator, ema, plain, folder)
            saved = progress.seconds
            logger.info("checkpoint; %d cached scenes", cache.refresh())
    save_checkpoint(accelerator, ema, plain, folder)
    logger.info("done: %d steps, %d samples", progress.step, progress.samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see train/config.py")
    args = parser.parse_args()
    first = int(os.environ.get("RANK", "0")) == 0
    logging.basicConfig(
        level=logging.INFO if first else logging.WARNING, format="%(asctime)s %(message)s"
    )
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    train(read_config(args.config))


if __name__ == "__main__":
    main()
