"""The denoising loop with InstructPix2Pix's three-branch guidance, for any diffusers scheduler."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .unet import InflatedUNet

ProgressCallback = Callable[[int, int, Tensor], None]
"""(step done, steps in all, latents [b, 4, f, h, w])."""

TEXT_SCALE = 3.0
VIDEO_SCALE = 1.5
MASK_STEPS = 0.5
"""Share of the last steps whose masks are averaged: early ones see almost nothing but noise."""


class MaskAverage:
    """Mean of the mask probabilities of the late steps."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count = 0

    def add(self, logits: Tensor) -> None:
        probability = logits.float().sigmoid()
        self.total = probability if self.total is None else self.total + probability
        self.count += 1

    def mean(self) -> Tensor | None:
        return None if self.total is None else self.total / self.count


def first_mask_step(steps: int, share: float = MASK_STEPS) -> int:
    """Index of the first step whose mask counts; at least the last one does."""
    return min(steps - 1, round(steps * (1 - share)))


@torch.inference_mode()
def sample(
    unet: InflatedUNet,
    scheduler: Any,
    noise: Tensor,
    c_x: Tensor,
    text: Tensor,
    negative_text: Tensor,
    steps: int,
    text_scale: float = TEXT_SCALE,
    video_scale: float = VIDEO_SCALE,
    generator: torch.Generator | None = None,
    callback: ProgressCallback | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Latents [b, 4, f, h, w] of the clip without its object, and the mask [b, 1, f, h, w].

    ``noise`` is standard normal; ``c_x`` are the source's scaled latents, both [b, 4, f, h, w];
    ``text`` and ``negative_text`` are [b, n, d]. Guidance is none + video_scale * (video - none)
    + text_scale * (text - video); branches whose weight is zero are not run.
    """
    scheduler.set_timesteps(steps, device=noise.device)
    takes = inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if "generator" in takes else {}
    branches = [
        (weight, unet.prepare(branch_text, branch_c_x))
        for weight, branch_text, branch_c_x in (
            (text_scale, text, c_x),
            (video_scale - text_scale, negative_text, c_x),
            (1 - video_scale, negative_text, torch.zeros_like(c_x)),
        )
        if weight or branch_text is text
    ]
    mask = MaskAverage()
    timesteps = scheduler.timesteps
    mask_from = first_mask_step(len(timesteps))
    z_t = noise * scheduler.init_noise_sigma
    for step, t in enumerate(timesteps):
        model_input = scheduler.scale_model_input(z_t, t)
        guided = torch.zeros_like(z_t)
        for i, (weight, conditions) in enumerate(branches):
            noise_pred, features = unet.denoise(model_input, t, conditions)
            guided += weight * noise_pred
            if i == 0 and step >= mask_from and unet.mask_decoder is not None:
                mask.add(unet.mask_decoder(features, z_t.shape[2]))
        z_t = scheduler.step(guided, t, z_t, **extra).prev_sample
        if callback is not None:
            callback(step + 1, len(timesteps), z_t)
    return z_t, mask.mean()
