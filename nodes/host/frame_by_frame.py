"""Work on a clip that ends at the next frame when the person cancels."""

import comfy.model_management
import torch
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.canvas import Fit, is_finite, to_canvas
from ...lgvi_core.errors import LGVIError
from .autoencoder import encode

TOGETHER = 8
"""Frames that are brought to the canvas at a time, so that the whole clip is not there twice."""


def stop_if_cancelled() -> None:
    """Raise ComfyUI's exception where the person has cancelled the run."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def encode_clip(vae: VAE, frames: Tensor, fit: Fit) -> Tensor:
    """Encode `frames` [f, h, w, 3], 0 to 1, on the canvas as latents [f, 4, h', w'].

    Raises LGVIError where the VAE's numbers overflow.
    """
    parts = [encode(vae, to_canvas(part, fit)) for part in frames.split(TOGETHER)]
    latents = torch.cat(parts)
    if not is_finite(latents):
        raise LGVIError(
            "the VAE gave NaN or infinity for these frames: start ComfyUI with --fp32-vae or "
            "--bf16-vae; if that does not help, its file is damaged"
        )
    return latents
