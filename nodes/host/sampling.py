"""Sampling with ComfyUI's dual guidance, during which the mask is recorded."""

import math
from typing import Any

import comfy.samplers
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
from torch import Tensor

from ...lgvi_core.canvas import LATENT_PIXELS, is_finite, locate
from ...lgvi_core.checkpoint.own_settings import OwnSettings
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.masks import latent_mask_to_frames
from ...lgvi_core.sampling import NAN_ADVICE, first_mask_step
from ...lgvi_core.settings import SamplingSettings
from .checks import check_branch
from .choices import check_choice
from .conditioning import Conditioning
from .guidance import IntervalGuidance
from .mask_recorder import MaskRecorder
from .model import MASK_KEY, is_lgvi
from .predictions import PassLimit

ADAPTIVE = "dpm_adaptive"
"""ComfyUI's sampler that chooses its own number of steps."""
Latent = dict[str, Any]
"""ComfyUI's LATENT: `samples` [frames, 4, h, w], and entries that nodes attach."""
Conditionings = tuple[Conditioning, Conditioning, Conditioning]
"""Conditionings of text and video, video alone, neither; see `conditioning.branches`."""


def sample_with_mask(
    model: ModelPatcher,
    conditionings: Conditionings,
    latent: Latent,
    settings: SamplingSettings,
    source_size: tuple[int, int] | None,
) -> tuple[Latent, Tensor | None]:
    """Sample the same latent as the stock graph, and the mask [frames, H, W], 0 to 1.

    The mask has the size `source_size` (height, width) in pixels or, if that is None, the size
    that the latent decodes to. Settings that stand for the model's own become those. It is None
    for the reason that `why_no_mask` gives. Raises LGVIError for a model, latent or
    conditioning that does not fit the others.
    """
    settings = settings.complete(own_settings(model))
    samples = latent["samples"]
    scales = (settings.text_scale, settings.video_scale)
    check_choice("sampler", settings.sampler, comfy.samplers.KSampler.SAMPLERS)
    check_choice("scheduler", settings.scheduler, comfy.samplers.KSampler.SCHEDULERS)
    _check(model, conditionings, latent, scales)
    model = model.clone()
    guider = IntervalGuidance(model, settings)
    guider.set_conds(*conditionings)
    sigmas = comfy.samplers.calculate_sigmas(
        model.get_model_object("model_sampling"), settings.scheduler, settings.steps
    )
    if not is_finite(sigmas):
        raise LGVIError(
            f"scheduler {settings.scheduler!r} cannot make {settings.steps} steps: choose another"
        )
    recorder = MaskRecorder(
        len(samples),
        float(sigmas[first_mask_step(len(sigmas) - 1)]),
        {cond["uuid"] for cond in guider.original_conds["positive"]},
    )
    model.model_options.setdefault("transformer_options", {})[MASK_KEY] = recorder
    if settings.sampler == ADAPTIVE:
        limit = PassLimit(settings.sampler)
        guider.model_patcher.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "lgvi_limit", limit)
    method = comfy.samplers.sampler_object(settings.sampler)
    noise = Noise_RandomNoise(settings.seed)
    sampled = SamplerCustomAdvanced.execute(noise, guider, method, sigmas, latent).args[0]
    mask = recorder.mean()
    if mask is not None and not is_finite(mask):
        raise LGVIError(f"the sampling ended in NaN or infinity: {NAN_ADVICE}")
    if mask is not None:
        canvas = pixel_size(samples)
        mask = latent_mask_to_frames(mask, locate(source_size or canvas, canvas))
    return sampled, mask


def check_is_lgvi(model: ModelPatcher) -> None:
    """Raise LGVIError where a MODEL is another network than LGVI."""
    if not is_lgvi(model):
        raise LGVIError(
            f"this MODEL is a {type(model.model).__name__}, not LGVI: connect Load LGVI"
        )


def own_settings(model: ModelPatcher) -> OwnSettings:
    """Return the settings that a MODEL wants; raises LGVIError for another network than LGVI."""
    check_is_lgvi(model)
    return model.model.own_settings


def why_no_mask(model: ModelPatcher, settings: SamplingSettings) -> str:
    """Return the explanation for a person who gets no predicted mask with these `settings`."""
    settings = settings.complete(own_settings(model))
    if model.model.diffusion_model.mask_decoder is None:
        return "This model has no mask decoder."
    return (
        f"Sampler {settings.sampler!r} did not evaluate the late steps of {settings.steps}: take "
        "more steps."
    )


def pixel_size(latents: Tensor) -> tuple[int, int]:
    """Return the (height, width) in pixels of the frames that `latents` decode to."""
    return latents.shape[-2] * LATENT_PIXELS, latents.shape[-1] * LATENT_PIXELS


def _check(
    model: ModelPatcher,
    conditionings: Conditionings,
    latent: Latent,
    scales: tuple[float, float],
) -> None:
    check_is_lgvi(model)
    latents, noise_mask = latent["samples"], latent.get("noise_mask")
    if latents.ndim != 4 or latents.shape[1] != 4:
        raise LGVIError(
            f"latent must be [frames, 4, h, w], got {list(latents.shape)}: connect the latent of "
            "LGVI Video Conditioning"
        )
    if not all(map(math.isfinite, scales)):
        raise LGVIError(f"text_scale and video_scale must be numbers, got {scales}")
    if not is_finite(latents):
        raise LGVIError("latent holds NaN or infinite values; check the node it comes from")
    if noise_mask is not None and not is_finite(noise_mask):
        raise LGVIError("the noise mask of latent holds NaN or infinite values")
    for name, conditioning in zip(
        ("text_video", "video", "unconditional"), conditionings, strict=True
    ):
        if not conditioning:
            raise LGVIError(f"{name} is an empty conditioning: connect LGVI Video Conditioning")
        for text, options in conditioning:
            check_branch(name, {name}, text, options)
            if "area" in options:
                raise LGVIError(f"{name} is limited to an area; LGVI works on whole frames")
            if not math.isfinite(options.get("strength", 1.0)):
                raise LGVIError(f"the strength of {name} is {options['strength']}, not a number")
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
    if not is_finite(values):
        raise LGVIError(f"the {what} of {name} hold NaN or infinite values")
