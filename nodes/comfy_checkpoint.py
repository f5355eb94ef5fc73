"""A checkpoint's three parts as ComfyUI's MODEL, CLIP and VAE."""

import json
import logging

import comfy.sd
import comfy.utils
import folder_paths
import torch
from comfy import latent_formats, sd1_clip, supported_models_base

from ..lgvi_core.checkpoint import Checkpoint, Part
from ..lgvi_core.errors import CheckpointError
from .comfy_model import create_model

logger = logging.getLogger(__name__)

DTYPES = {
    "auto": None,
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
}
# What ComfyUI's text encoder may leave unfilled: neither is part of the U-Net's text features.
POOLED_ONLY = {"text_projection.weight", "logit_scale"}


def create(checkpoint: Checkpoint, dtype: str):
    """(MODEL, CLIP, VAE); the last two are None for a bare U-Net, with a warning."""
    if checkpoint.vae is None or checkpoint.text_encoder is None:
        logger.warning(
            "%s holds a U-Net alone: connect a CLIP and a VAE from other loaders", checkpoint.origin
        )
    model = create_model(checkpoint, _latent_format(checkpoint), DTYPES[dtype])
    clip = checkpoint.text_encoder and _clip(checkpoint.text_encoder, checkpoint)
    vae = checkpoint.vae and _vae(checkpoint.vae, checkpoint)
    return model, clip, vae


def _latent_format(checkpoint: Checkpoint) -> latent_formats.LatentFormat:
    """Stable Diffusion 1.5's with this checkpoint's scale, and its own preview colours if any."""
    latent_format = latent_formats.SD15(checkpoint.scaling_factor)
    metadata = checkpoint.vae.metadata if checkpoint.vae else {}
    if "latent_rgb_factors" in metadata:
        latent_format.latent_rgb_factors = json.loads(metadata["latent_rgb_factors"])
        latent_format.latent_rgb_factors_bias = json.loads(metadata["latent_rgb_factors_bias"])
        latent_format.taesd_decoder_name = None
    return latent_format


def _clip(part: Part, checkpoint: Checkpoint) -> comfy.sd.CLIP:
    state = {k: v for k, v in part.state.items() if not k.endswith("position_ids")}
    width = part.config.get("hidden_size")
    clip = comfy.sd.CLIP(
        supported_models_base.ClipTarget(sd1_clip.SD1Tokenizer, sd1_clip.SD1ClipModel),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=comfy.utils.calculate_parameters(state),
        model_options={"clip_l_model_config": part.config},
    )
    state.setdefault("text_projection.weight", torch.eye(width))
    missing, unexpected = clip.load_sd(state)
    if problems := (set(missing) | set(unexpected)) - POOLED_ONLY:
        names = ", ".join(sorted(problems)[:5])
        raise CheckpointError(f"{checkpoint.origin}: text encoder does not fit ({names})")
    return clip


def _vae(part: Part, checkpoint: Checkpoint) -> comfy.sd.VAE:
    state = part.state
    if "encoder.layers.0.weight" in state:
        state = _taesd_names(state)
    vae = comfy.sd.VAE(sd=dict(state))
    try:
        vae.throw_exception_if_invalid()
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint.origin}: ComfyUI cannot read this VAE") from error
    return vae


def _taesd_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """diffusers' names of a TAESD as ComfyUI's, whose decoder starts with a clamp of its own."""
    renamed = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    for key, value in state.items():
        side, layers, index, rest = key.split(".", 3)
        if layers != "layers" or side not in ("encoder", "decoder"):
            raise CheckpointError(f"{key} is not a weight of an AutoencoderTiny")
        shift = 1 if side == "decoder" else 0
        renamed[f"taesd_{side}.{int(index) + shift}.{rest}"] = value
    return renamed
