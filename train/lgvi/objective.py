"""The training objective of LGVI (Eq. 3) and, with conversations as text, of LGVI-I (Eq. 5)."""

from typing import Any

import torch
from accelerate import Accelerator
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from lgvi_core.checkpoint.parts import encode_images

from .attributes import DRAWN, Labels, attribute_loss
from .batch import Batch
from .config import LossConfig, TrainConfig
from .model import labels_of


@torch.no_grad()
def encode(vae: Any, frames: Tensor) -> Tensor:
    """Encode frames, uint8 [b, f, 8h, 8w, 3], to scaled latents, float32 [b, 4, f, h, w]."""
    images = rearrange(frames, "b f h w c -> (b f) c h w").to(next(vae.parameters()).dtype)
    latents = encode_images(vae, images / 127.5 - 1).float()
    return rearrange(latents, "(b f) c h w -> b c f h w", b=len(frames))


def frames_as_samples(x: Tensor) -> Tensor:
    """Turn [b, c, f, h, w] into b * f videos of one frame, for training without inflation."""
    return rearrange(x, "b c f h w -> (b f) c 1 h w")


class VideoObjective:
    """The losses of a batch; frames are encoded first if the batch does not hold latents."""

    def __init__(
        self, config: TrainConfig, accelerator: Accelerator, scheduler: DDIMScheduler, vae: Any
    ) -> None:
        """Set up the objective; `vae` may be None if all batches hold latents."""
        self.config, self.accelerator = config, accelerator
        self.scheduler, self.vae = scheduler, vae

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The `losses` of a batch, which must be on the model's device."""
        labels = labels_of(self.config)
        return losses(model, self.scheduler, self.to_latents(batch), self.config.loss, labels)

    def to_latents(self, batch: Batch) -> Batch:
        """The batch with encoded frames; without inflation, every frame becomes a sample."""
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
            if batch.counted is not None:
                tensors["counted"] = batch.counted.reshape(-1, 1)
            for name in ("text", "t", "has_text", "has_video"):
                tensors[name] = getattr(batch, name).repeat_interleave(frames, dim=0)
        return Batch(**{**vars(batch), **tensors})


def losses(
    model: nn.Module,
    scheduler: DDIMScheduler,
    batch: Batch,
    config: LossConfig,
    labels: Labels = DRAWN,
) -> dict[str, Tensor]:
    """The losses of Eq. 3 on an encoded batch: "diffusion", "mask", "attributes", and "loss".

    "loss" is the weighted sum of the others. With conversations as text, Eq. 5's "language" is
    among them. `labels` are those of the attribute heads.

    In the diffusion and mask losses, the area of all objects, widened by one latent pixel, counts
    `object_weight` times: objects are a small part of the frame, and the rest is a copy of the
    source. Objects that stay count as well, because otherwise a model that cannot tell two objects
    apart does best by removing both. Each sample is normalised by itself, so that a batch may be
    split among processes. Samples without text or video have no mask loss, since their mask
    cannot be known. Frames that are not `counted` have no loss.
    """
    t: Any = batch.t
    z_t = scheduler.add_noise(batch.target, batch.noise, t)
    if scheduler.config["prediction_type"] == "v_prediction":
        target = scheduler.get_velocity(batch.target, batch.noise, t)
    else:
        target = batch.noise
    c_x = batch.source * batch.has_video[:, None, None, None, None]
    predictions = model(z_t, t, batch.text, batch.has_text, c_x)
    mask_logits = predictions.mask_logits

    widened = F.max_pool3d(batch.objects, (1, 3, 3), stride=1, padding=(0, 1, 1))
    weight = 1 + (config.object_weight - 1) * widened
    if batch.counted is not None:
        weight = weight * batch.counted[:, None, :, None, None]
    # Without inflation a frame is a sample, and one that does not count has no weight at all.
    normaliser = weight.sum((1, 2, 3, 4)).clamp(min=1)
    error = (predictions.noise_pred.float() - target).square().mean(1, keepdim=True)
    parts = {"diffusion": ((weight * error).sum((1, 2, 3, 4)) / normaliser).mean()}
    parts["loss"] = parts["diffusion"]
    if mask_logits is not None:
        entropy = F.binary_cross_entropy_with_logits(
            mask_logits.float(), batch.mask, reduction="none"
        )
        per_sample = (weight * entropy).sum((1, 2, 3, 4)) / normaliser
        per_sample = per_sample * (batch.has_text & batch.has_video)
        if config.mask_time_weight:
            total = scheduler.config["num_train_timesteps"]
            per_sample = per_sample * 4 * t * (total - t) / total**2
        parts["mask"] = per_sample.mean()
        parts["loss"] = parts["loss"] + config.mask_weight * parts["mask"]
    if predictions.attributes is not None:
        assert batch.attributes is not None
        parts["attributes"] = attribute_loss(predictions.attributes, batch.attributes, labels)
        parts["loss"] = parts["loss"] + config.attribute_weight * parts["attributes"]
    if predictions.language_loss is not None:
        parts["language"] = predictions.language_loss
        parts["loss"] = parts["loss"] + config.language_weight * parts["language"]
    return parts
