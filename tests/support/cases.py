"""Parity cases: outputs of the authors' released code for weights and inputs made from names."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from lgvi_core.unet.attention import scaled_dot_product_attention
from lgvi_core.unet.layers import AttentionFunction
from lgvi_core.unet.unet import InflatedUNet, UNetConfig
from support.parity import recipe

PARITY = Path(__file__).parent / "parity"


def load_case(name: str) -> dict[str, Any]:
    return json.loads((PARITY / f"{name}.json").read_text())


def load_outputs(name: str) -> dict[str, torch.Tensor]:
    return load_file(PARITY / f"{name}.safetensors")


def make_inputs(case: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: recipe.tensor(f"input.{name}", s) for name, s in case["inputs"].items()}


def make_state(case: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: recipe.weight(name, shape) for name, shape in case["state_dict"].items()}


def make_config(case: dict[str, Any]) -> UNetConfig:
    width = case["mask_decoder_channels"]
    return UNetConfig(
        **{"mask_decoder_type": "MaskDecoder", **case["config"], "mask_decoder_channels": width}
    )


def small_config(**changes: Any) -> UNetConfig:
    """Configuration of a tiny U-Net, for tests that need no released outputs."""
    values: dict[str, Any] = {
        "block_out_channels": (16, 32, 32),
        "layers_per_block": 1,
        "cross_attention_dim": 24,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "temp_attn": True,
        "mask_decoder_type": "MaskDecoder",
        "mask_decoder_channels": 16,
        "mask_decoder_groups": 8,
    }
    return UNetConfig(**{**values, **changes})


def filled_unet(
    config: UNetConfig, attention: AttentionFunction = scaled_dot_product_attention
) -> InflatedUNet:
    """A U-Net with all weights from the recipe, including those that start at zero."""
    unet = InflatedUNet(config, attention=attention).eval()
    unet.load_state_dict({k: recipe.weight(k, list(v.shape)) for k, v in unet.state_dict().items()})
    return unet
