"""ComfyUI's VAE frame by frame on a CPU, where that is faster than a batch."""

from collections.abc import Callable

import comfy.model_management
import torch
from comfy.sd import VAE
from torch import Tensor

VAE_FRAMES = 16
"""Number of frames that are encoded or decoded together, but on a CPU."""


def encode(vae: VAE, images: Tensor) -> Tensor:
    """Encode `images` [n, h, w, 3], 0 to 1, as latents [n, 4, h / 8, w / 8]."""
    return torch.cat([_uncancelled(vae.encode, part) for part in _parts(vae, images)])


def decode(vae: VAE, latents: Tensor) -> Tensor:
    """Decode `latents` [n, 4, h, w] to images [n, 8 h, 8 w, 3], 0 to 1."""
    return torch.cat([_uncancelled(vae.decode, part) for part in _parts(vae, latents)])


def arrange(vae: VAE) -> None:
    """Order the weights as a CPU's convolutions want them; on another device they stay."""
    if _on_cpu(vae):
        vae.first_stage_model.to(memory_format=torch.channels_last)


def _parts(vae: VAE, frames: Tensor) -> tuple[Tensor, ...]:
    """Split frames for the VAE: a single one stays in a CPU's cache."""
    return frames.split(1) if _on_cpu(vae) else (frames,)


def _uncancelled(work: Callable[[Tensor], Tensor], part: Tensor) -> Tensor:
    comfy.model_management.throw_exception_if_processing_interrupted()
    return work(part)


def _on_cpu(vae: VAE) -> bool:
    device = getattr(vae, "device", None)
    return device is not None and torch.device(device).type == "cpu"
