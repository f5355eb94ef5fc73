"""The loop of the authors' released inference code, in our own words, as a reference for speed.

Every step makes three passes of the whole U-Net one after the other, each with the text and the
condition prepared anew and with its mask decoded; the mask of the last step is kept. The network
itself is ours: its numbers are those of the released one (tests/core/test_unet_parity.py).
"""

from typing import Any

import torch
from torch import Tensor

from lgvi_core.unet.unet import InflatedUNet


@torch.inference_mode()
def released_loop(
    unet: InflatedUNet,
    scheduler: Any,
    noise: Tensor,
    c_x: Tensor,
    text: Tensor,
    negative_text: Tensor,
    steps: int,
    text_scale: float,
    video_scale: float,
) -> tuple[Tensor, Tensor | None]:
    """Denoise `noise` [b, 4, f, h, w]; return the latents and the last step's mask."""
    scheduler.set_timesteps(steps, device=noise.device)
    z_t, mask = noise * scheduler.init_noise_sigma, None
    for t in scheduler.timesteps:
        model_input = scheduler.scale_model_input(z_t, t)
        both, mask = unet(model_input, t, text, c_x)
        video, _ = unet(model_input, t, negative_text, c_x)
        neither, _ = unet(model_input, t, negative_text, torch.zeros_like(c_x))
        guided = neither + text_scale * (both - video) + video_scale * (video - neither)
        z_t = scheduler.step(guided, t, z_t).prev_sample
    return z_t, None if mask is None else mask.sigmoid()
