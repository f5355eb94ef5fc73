"""The names that the authors' released code reads: of U-Net, pipeline and blocks.

Facts from `rovi/models/unet.py` and `rovi/pipelines` of the repository
jianzongwu/Language-Driven-Video-Inpainting.
"""

from typing import Any

import diffusers

from lgvi_core.checkpoint.checkpoint import SubModel
from lgvi_core.config import UNetConfig
from lgvi_core.latents import SD15_SCALING_FACTOR

UNET = ("rovi.models.unet", "RoviModel")
"""Module and class of the U-Net, as `model_index.json` names them."""
PIPELINE, PIPELINE_WITH_CHAT = "RoviPipeline", "RoviPipelineMLLM"
"""Classes of LGVI's and LGVI-I's pipeline."""
_MID_BLOCK = "UNetMidBlock3DCrossAttn"
_SAMPLE_SIZE = 64  # the pipeline compares it with a number, so that it must be one
_FIXED = ("mask_decoder_channels", "mask_decoder_groups")
"""Keys of our configuration whose values are fixed in the released U-Net."""


def released_unet_config(values: dict[str, Any]) -> dict[str, Any]:
    """The U-Net's config in the names of the released code, whose blocks end in 3D.

    `text_features` is left out: a folder with the chat model's parts implies it.
    """
    config = {key: value for key, value in values.items() if key != "text_features"}
    for key in ("down_block_types", "up_block_types"):
        if key in config:
            config[key] = [f"{name}3D" for name in config[key]]
    return {
        **config,
        "_class_name": UNET[1],
        "_diffusers_version": diffusers.__version__,
        "mid_block_type": _MID_BLOCK,
        "sample_size": _SAMPLE_SIZE,
    }


def released_index(index: dict[str, Any]) -> dict[str, Any]:
    """The `model_index.json` of LGVI, or of LGVI-I if it has no text encoder, in those names."""
    pipeline = PIPELINE if "text_encoder" in index else PIPELINE_WITH_CHAT
    return {**index, "_class_name": pipeline, "unet": list(UNET)}


def misfits(parts: dict[str, SubModel]) -> list[str]:
    """What keeps the released code from running these parts, whatever their names are."""
    values, vae = parts["unet"].config, parts["vae"].config
    default = UNetConfig()
    found = [
        f"{key} of the mask decoder is {values[key]}, theirs is {getattr(default, key)}"
        for key in _FIXED
        if values.get("mask_decoder_type")
        and values.get(key, getattr(default, key)) != getattr(default, key)
    ]
    name = vae.get("_class_name", "AutoencoderKL")
    if name != "AutoencoderKL":
        found.append(f"the autoencoder is {name}, theirs takes samples of AutoencoderKL")
    factor = vae.get("scaling_factor", SD15_SCALING_FACTOR)
    if factor != SD15_SCALING_FACTOR:
        found.append(f"scaling_factor is {factor}, theirs is always {SD15_SCALING_FACTOR}")
    return found
