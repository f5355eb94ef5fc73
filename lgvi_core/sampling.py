"""The denoising loop with InstructPix2Pix's three-branch guidance, for any diffusers scheduler."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .canvas import is_finite
from .errors import LGVIError
from .settings import SamplingSettings
from .unet.unet import InflatedUNet

StepCallback = Callable[[int, int, Tensor], None]
"""Called after every step with (steps done, steps in total, latents [b, 4, f, h, w])."""

NAN_ADVICE = (
    "where it runs in fp16, its numbers are too small for these weights, so choose bf16 or fp32 as "
    "dtype; otherwise the weights, or a LoRA, are damaged"
)
"""What to do where sampling ends in NaN."""
MASK_STEPS = 0.5
"""Share of the steps, counted from the last, whose masks are averaged: early ones are noise."""


class MaskAverage:
    """Weighted mean of the mask probabilities of several steps, for each frame."""

    def __init__(self, first: Tensor, frames: int) -> None:
        """Start a mean of `frames` frames with the other sizes of `first` [b, 1, any, h, w]."""
        shape = (*first.shape[:2], frames, *first.shape[3:])
        self._total = first.new_zeros(shape, dtype=torch.float32)
        self._weights = first.new_zeros(frames, 1, 1, dtype=torch.float32)

    def add(
        self,
        logits: Tensor,
        frames: slice | list[int] = slice(None),
        weights: Tensor | None = None,
    ) -> None:
        """Add one step's `logits` [b, 1, f, h, w] of these `frames`, weighted by `weights` [f]."""
        weight = torch.ones(logits.shape[2]) if weights is None else weights
        weight = weight.to(self._weights)[:, None, None]
        self._total[:, :, frames] += logits.float().sigmoid() * weight
        self._weights[frames] += weight

    def mean(self) -> Tensor:
        """Return the mean mask [b, 1, f, h, w], 0 to 1; 0 for frames that were never added."""
        return self._total / self._weights.where(self._weights > 0, 1.0)


def first_mask_step(steps: int, share: float = MASK_STEPS) -> int:
    """Return the index of the first step whose mask counts; at least the last step's does."""
    return min(steps - 1, round(steps * (1 - share)))


@torch.inference_mode()
def sample(
    unet: InflatedUNet,
    scheduler: Any,
    noise: Tensor,
    c_x: Tensor,
    text: Tensor,
    negative_text: Tensor,
    settings: SamplingSettings,
    generator: torch.Generator | None = None,
    callback: StepCallback | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Denoise `noise` to the latents of the video without its object, and predict the mask.

    `noise` is standard normal and `c_x` are the source's scaled latents, both [b, 4, f, h, w];
    `text` and `negative_text` are text features [b, n, d]. Of `settings`, the steps, the two scales
    and the interval of the guidance are used; those that stand for the model's own raise LGVIError.
    A branch with weight zero is not evaluated, except the text branch, which predicts the mask, and
    outside the interval that one is all there is. Returns scaled latents
    [b, 4, f, h, w] and the mask [b, 1, f, h, w], 0 to 1, which is None where the U-Net has no mask
    decoder.
    """
    numbers = (
        settings.steps,
        settings.text_scale,
        settings.video_scale,
        settings.guidance_start,
        settings.guidance_end,
    )
    if min(numbers) < 0:
        raise LGVIError(f"{settings} stand for the model's own: complete them first")
    scheduler.set_timesteps(settings.steps, device=noise.device)
    takes = inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if "generator" in takes else {}
    text_scale, video_scale = settings.text_scale, settings.video_scale
    branches = [(text_scale, unet.prepare(text, c_x))]
    for weight, branch_c_x in (
        (video_scale - text_scale, c_x),
        (1 - video_scale, torch.zeros_like(c_x)),
    ):
        if weight:
            branches.append((weight, unet.prepare(negative_text, branch_c_x)))
    mask: MaskAverage | None = None
    timesteps = scheduler.timesteps
    mask_from = first_mask_step(len(timesteps))
    z_t = noise * scheduler.init_noise_sigma
    for step, t in enumerate(timesteps):
        model_input = scheduler.scale_model_input(z_t, t)
        guided = torch.zeros_like(z_t)
        progress = 1 - float(t) / (scheduler.config.num_train_timesteps - 1)
        used = branches if settings.guides(progress) else [(1.0, branches[0][1])]
        for i, (weight, conditions) in enumerate(used):
            noise_pred, features = unet.denoise(model_input, t, conditions)
            guided += weight * noise_pred
            if i == 0 and step >= mask_from and unet.mask_decoder is not None:
                logits = unet.mask_decoder(features, z_t.shape[2])
                mask = mask or MaskAverage(logits, z_t.shape[2])
                mask.add(logits)
        z_t = scheduler.step(guided, t, z_t, **extra).prev_sample
        if callback is not None:
            callback(step + 1, len(timesteps), z_t)
    if not is_finite(z_t):
        raise LGVIError(f"the sampling ended in NaN or infinity: {NAN_ADVICE}")
    return z_t, None if mask is None else mask.mean()
