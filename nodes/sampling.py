"""ComfyUI's own sampling with its dual guidance, and the mask recorded on the way."""

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_extras.nodes_custom_sampler import Guider_DualCFG
from torch import Tensor

from ..lgvi_core.errors import LGVIError
from ..lgvi_core.frames import LATENT_PIXELS, locate
from ..lgvi_core.masks import latent_mask_to_frames
from ..lgvi_core.sampling import first_mask_step
from .comfy_model import MASK_KEY, is_lgvi
from .mask_recorder import MaskRecorder


def sample_with_mask(
    model,
    conditionings,
    latents: Tensor,
    seed: int,
    steps: int,
    scales: tuple[float, float],
    sampler: str,
    scheduler: str,
    source_size: tuple[int, int] | None,
) -> tuple[Tensor, Tensor | None]:
    """Latents [frames, 4, h, w] as the stock graph samples them, and the mask [frames, H, W].

    ``conditionings`` are (text and video, video, neither), ``scales`` (text, video). The mask is
    in ``source_size``, or in the latent's pixels where that is not known; None where the model
    has no mask decoder.
    """
    _check(model, conditionings, latents)
    text_video, video, unconditional = conditionings
    model = model.clone()
    guider = Guider_DualCFG(model)
    guider.set_conds(text_video, video, unconditional)
    guider.set_cfg(*scales)
    sigmas = comfy.samplers.calculate_sigmas(
        model.get_model_object("model_sampling"), scheduler, steps
    )
    recorder = MaskRecorder(
        len(latents),
        float(sigmas[first_mask_step(len(sigmas) - 1)]),
        {cond["uuid"] for cond in guider.original_conds["positive"]},
    )
    model.model_options.setdefault("transformer_options", {})[MASK_KEY] = recorder
    samples = guider.sample(
        comfy.sample.prepare_noise(latents, seed),
        latents,
        comfy.samplers.sampler_object(sampler),
        sigmas,
        callback=latent_preview.prepare_callback(model, len(sigmas) - 1),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    mask = recorder.mean()
    if mask is not None:
        canvas = pixel_size(latents)
        mask = latent_mask_to_frames(mask, locate(source_size or canvas, canvas))
    return samples.to(latents.device), mask


def pixel_size(latents: Tensor) -> tuple[int, int]:
    """(height, width) in pixels of what ``latents`` decode to."""
    return latents.shape[-2] * LATENT_PIXELS, latents.shape[-1] * LATENT_PIXELS


def _check(model, conditionings, latents: Tensor) -> None:
    if not is_lgvi(model):
        raise LGVIError(
            f"this MODEL is a {type(model.model).__name__}, not LGVI: connect Load LGVI"
        )
    if latents.ndim != 4 or latents.shape[1] != 4:
        raise LGVIError(
            f"latent must be [frames, 4, h, w], got {list(latents.shape)}: connect the latent of "
            "LGVI Video Conditioning"
        )
    if not torch.isfinite(latents).all():
        raise LGVIError("latent holds NaN or infinite values; check the node it comes from")
    for name, conditioning in zip(
        ("text_video", "video", "unconditional"), conditionings, strict=True
    ):
        for text, options in conditioning:
            _check_values(name, "text features", text)
            clip = options.get("concat_latent_image")
            if clip is not None:
                _check_values(name, "source clip", clip)
                if len(clip) != len(latents):
                    raise LGVIError(
                        f"{name} has {len(clip)} frames, the latent {len(latents)}: use outputs "
                        "of one LGVI Video Conditioning"
                    )
            elif name != "unconditional":
                raise LGVIError(
                    f"{name} carries no source clip: connect the output of that name of LGVI "
                    "Video Conditioning"
                )


def _check_values(name: str, what: str, values: Tensor) -> None:
    if not torch.isfinite(values).all():
        raise LGVIError(f"the {what} of {name} hold NaN or infinite values")
