"""ComfyUI's VAE frame by frame on a CPU, where that is faster than a batch."""

from collections.abc import Callable, Iterable

import torch
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.canvas import is_finite
from ...lgvi_core.errors import LGVIError
from .cancel import stop_if_cancelled

VAE_FRAMES = 16
"""Number of frames that are encoded or decoded together, but on a CPU."""


def encode(vae: VAE, images: Tensor) -> Tensor:
    """Encode `images` [n, h, w, 3], 0 to 1, as latents [n, 4, h / 8, w / 8].

    Raises LGVIError where the VAE's numbers overflow, and ComfyUI's exception on cancelling.
    """
    return _finite(vae.encode, _parts(vae, images))


def decode(vae: VAE, latents: Tensor) -> Tensor:
    """Decode `latents` [n, 4, h, w] to images [n, 8 h, 8 w, 3], 0 to 1.

    Raises as `encode` does.
    """
    return _finite(vae.decode, _parts(vae, latents))


def arrange(vae: VAE) -> None:
    """Order the weights as a CPU's convolutions want them; on another device they stay."""
    if _on_cpu(vae):
        vae.first_stage_model.to(memory_format=torch.channels_last)


def _finite(convert: Callable[[Tensor], Tensor], parts: Iterable[Tensor]) -> Tensor:
    """Convert frames part by part, and check what comes out."""
    made = []
    for part in parts:
        stop_if_cancelled()
        made.append(convert(part))
    whole = torch.cat(made)
    if not is_finite(whole):
        raise LGVIError(
            "the VAE gave NaN or infinity for these frames: start ComfyUI with --fp32-vae or "
            "--bf16-vae; if that does not help, its file is damaged"
        )
    return whole


def _parts(vae: VAE, frames: Tensor) -> tuple[Tensor, ...]:
    """Split frames for the VAE: a single one stays in a CPU's cache."""
    return frames.split(1) if _on_cpu(vae) else (frames,)


def _on_cpu(vae: VAE) -> bool:
    device = getattr(vae, "device", None)
    return device is not None and torch.device(device).type == "cpu"
