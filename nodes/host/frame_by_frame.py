"""Work on a clip that ends at the next frame when the person cancels."""

import comfy.model_management
import torch
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.canvas import Fit, is_finite, to_canvas
from ...lgvi_core.errors import LGVIError

TOGETHER = 8
"""Frames that the VAE encodes at a time on a card; on a CPU it is one, which is as fast."""


def stop_if_cancelled() -> None:
    """Raise ComfyUI's exception where the person has cancelled the run."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def encode_clip(vae: VAE, frames: Tensor, fit: Fit) -> Tensor:
    """Encode `frames` [f, h, w, 3], 0 to 1, on the canvas as latents [f, 4, h', w'].

    Raises LGVIError where the VAE's numbers overflow.
    """
    on_cpu = comfy.model_management.is_device_cpu(vae.device)
    parts = []
    for part in frames.split(1 if on_cpu else TOGETHER):
        stop_if_cancelled()
        parts.append(vae.encode(to_canvas(part, fit)))
    latents = torch.cat(parts)
    if not is_finite(latents):
        raise LGVIError(
            "the VAE gave NaN or infinity for these frames: start ComfyUI with --fp32-vae or "
            "--bf16-vae; if that does not help, its file is damaged"
        )
    return latents
