"""A look through a clip in memory for the object that a sentence names."""

from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.canvas import fit_canvas, to_canvas
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.look import Look, every_so_often
from ...lgvi_core.settings import SamplingSettings
from .autoencoder import encode
from .conditioning import Conditioning, branches
from .sampling import own_settings, sample_with_mask, why_no_mask


def find(
    model: ModelPatcher,
    vae: VAE,
    text: tuple[Conditioning, Conditioning],
    frames: Tensor,
    every: int,
    working_size: int,
) -> tuple[Tensor, str]:
    """Return a mask [f, h, w] of boxes around the object, and a line on what was found.

    `text` are the sentence's conditioning and its counterpart, `every` the distance of the `frames`
    [f, h, w, 3] that are looked at. Raises LGVIError for a model that is not LGVI, or predicts no
    mask.
    """
    size = (frames.shape[1], frames.shape[2])
    settings = SamplingSettings()

    def predict(frame: Tensor) -> Tensor:
        shown = fit_canvas((frame.shape[1], frame.shape[2]))
        c_x = encode(vae, to_canvas(frame, shown))
        latent: dict[str, Any] = {"samples": torch.zeros_like(c_x)}
        _, mask = sample_with_mask(model, branches(*text, c_x), latent, settings, None)
        if mask is None:
            raise LGVIError(f"the model gave no mask. {why_no_mask(model, settings)}")
        return mask[:, : shown.source[0], : shown.source[1]]

    look = Look(predict, size, own_settings(model).working_size_for(working_size))
    boxes = look.boxes(frames, every)
    mask = torch.zeros(frames.shape[:3])
    for number, (top, left, bottom, right) in boxes.items():
        mask[number, round(top) : round(bottom), round(left) : round(right)] = 1
    looked = len(every_so_often(len(frames), every))
    return mask, f"found in {len(boxes)} of {looked} frames looked at"
