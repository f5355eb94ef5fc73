"""Conversion of a checkpoint to ComfyUI's MODEL, CLIP and VAE."""

import logging
from pathlib import Path
from typing import Annotated

import comfy.diffusers_convert
import comfy.model_patcher
import comfy.sd
import comfy.utils
import folder_paths
import torch
from comfy import latent_formats, sd1_clip, supported_models_base
from pydantic import BaseModel, ConfigDict, Field

from ...lgvi_core.checkpoint.checkpoint import Checkpoint, SubModel, load_checkpoint
from ...lgvi_core.checkpoint.files import parse_json
from ...lgvi_core.checkpoint.sizes import check_text_encoder
from ...lgvi_core.config import parse_config
from ...lgvi_core.errors import CheckpointError
from . import autoencoder
from .model import create_model
from .own_settings import set_own_settings

logger = logging.getLogger(__name__)

DTYPES = {
    "auto": None,
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
}
# These weights of ComfyUI's text encoder may be missing: the U-Net's text features need neither.
POOLED_ONLY = {"text_projection.weight", "logit_scale"}


_Colour = Annotated[list[float], Field(min_length=3, max_length=3)]


class PreviewColours(BaseModel):
    """Linear map from the four latent channels to the red, green and blue of the live preview."""

    model_config = ConfigDict(allow_inf_nan=False)

    latent_rgb_factors: list[_Colour] = Field(min_length=4, max_length=4)
    latent_rgb_factors_bias: _Colour


def create(
    checkpoint: Checkpoint, dtype: str
) -> tuple[comfy.model_patcher.ModelPatcher, comfy.sd.CLIP | None, comfy.sd.VAE | None]:
    """Return MODEL, CLIP and VAE of `checkpoint`, with the U-Net's weights in `dtype`.

    `dtype` is a key of `DTYPES`. CLIP and VAE are None where the checkpoint has none, which is
    logged as a warning unless its U-Net needs no CLIP.
    """
    lacks_text = checkpoint.text_encoder is None and checkpoint.reads_sentences
    if checkpoint.vae is None or lacks_text:
        logger.warning(
            "%s holds a U-Net alone: connect a CLIP and a VAE from other loaders", checkpoint.origin
        )
    model = create_model(checkpoint, _latent_format(checkpoint), DTYPES[dtype])
    # Newer versions of ComfyUI use this to make a second, plain patcher of the same weights.
    model.cached_patcher_init = (_reload_model, (checkpoint.origin, dtype))
    clip: comfy.sd.CLIP | None = None
    if checkpoint.text_encoder is not None:
        clip = _clip(checkpoint.text_encoder, checkpoint)
        clip.patcher.cached_patcher_init = (_reload_clip, (checkpoint.origin,))
    vae: comfy.sd.VAE | None = None
    if checkpoint.vae is not None:
        vae = _vae(checkpoint.vae, checkpoint)
        autoencoder.arrange(vae)
        set_own_settings(vae, checkpoint.own_settings)
    return model, clip, vae


def _reload_model(
    origin: Path, dtype: str, disable_dynamic: bool = False
) -> comfy.model_patcher.ModelPatcher:
    checkpoint = load_checkpoint(origin)
    return create_model(checkpoint, _latent_format(checkpoint), DTYPES[dtype], disable_dynamic)


def _reload_clip(origin: Path, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    checkpoint = load_checkpoint(origin)
    if checkpoint.text_encoder is None:
        raise CheckpointError(f"{origin}: the text encoder is gone; load the model again")
    return _clip(checkpoint.text_encoder, checkpoint, disable_dynamic).patcher


def _latent_format(checkpoint: Checkpoint) -> latent_formats.LatentFormat:
    """Return SD 1.5's latent format with the checkpoint's scale and, if any, preview colours."""
    latent_format = latent_formats.SD15(checkpoint.scaling_factor)
    metadata = checkpoint.vae.metadata if checkpoint.vae else {}
    if "latent_rgb_factors" in metadata:
        preview = {key: metadata.get(key, "null") for key in PreviewColours.model_fields}
        origin = f"{checkpoint.origin} VAE metadata"
        values = {key: parse_json(value, origin) for key, value in preview.items()}
        colours = parse_config(PreviewColours, values, origin)
        latent_format.latent_rgb_factors = colours.latent_rgb_factors
        latent_format.latent_rgb_factors_bias = colours.latent_rgb_factors_bias
        latent_format.taesd_decoder_name = None
    return latent_format


def _clip(part: SubModel, checkpoint: Checkpoint, disable_dynamic: bool = False) -> comfy.sd.CLIP:
    config = check_text_encoder(part.config, part.state, checkpoint.origin)
    state = {k: v for k, v in part.state.items() if not k.endswith("position_ids")}
    state.setdefault("text_projection.weight", torch.eye(config.hidden_size))
    clip = comfy.sd.CLIP(
        supported_models_base.ClipTarget(sd1_clip.SD1Tokenizer, sd1_clip.SD1ClipModel),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=comfy.utils.calculate_parameters(state),
        model_options={"clip_l_model_config": config.model_dump()},
        **({"disable_dynamic": True} if disable_dynamic else {}),
    )
    try:
        missing, unexpected = clip.load_sd(state)
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint.origin}: text encoder does not fit: {error}") from error
    if problems := (set(missing) | set(unexpected)) - POOLED_ONLY:
        names = ", ".join(sorted(problems)[:5])
        raise CheckpointError(f"{checkpoint.origin}: text encoder does not fit ({names})")
    return clip


def _vae(part: SubModel, checkpoint: Checkpoint) -> comfy.sd.VAE:
    state = dict(part.state)
    try:
        if "encoder.layers.0.weight" in state:
            state = _taesd_names(state)
        elif "decoder.up_blocks.0.resnets.0.norm1.weight" in state:
            state = comfy.diffusers_convert.convert_vae_state_dict(state)
        vae = comfy.sd.VAE(sd=dict(state))
        vae.throw_exception_if_invalid()
        missing = vae.first_stage_model.state_dict().keys() - state.keys()
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{checkpoint.origin}: VAE does not fit: {error}") from error
    if missing:
        names = ", ".join(sorted(missing)[:5])
        raise CheckpointError(f"{checkpoint.origin}: VAE lacks {len(missing)} tensors ({names})")
    return vae


def _taesd_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the weights of diffusers' TAESD for ComfyUI.

    ComfyUI's decoder begins with a clamp layer, which shifts the numbers of the others by one.
    """
    renamed = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    for key, value in state.items():
        side, layers, index, rest = key.split(".", 3)
        if layers != "layers" or side not in ("encoder", "decoder"):
            raise CheckpointError(f"{key} is not a weight of an AutoencoderTiny")
        shift = 1 if side == "decoder" else 0
        renamed[f"taesd_{side}.{int(index) + shift}.{rest}"] = value
    return renamed
