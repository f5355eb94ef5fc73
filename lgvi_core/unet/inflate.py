"""Turning related U-Nets into LGVI's form: split condition input, inflated 2-D weights."""

from typing import Any

from torch import Tensor

from ..config import UNetConfig, read_unet_config
from ..errors import CheckpointError
from ..latents import LATENT_CHANNELS
from .attention import scaled_dot_product_attention
from .layers import AttentionFunction
from .unet import InflatedUNet


def split_condition_input(
    config: UNetConfig, state: dict[str, Tensor]
) -> tuple[UNetConfig, dict[str, Tensor]]:
    """One 8-channel ``conv_in`` as Conv_v on z_t plus Conv_x on c_x: the same function (Eq. 2).

    The condition's part can then be computed once per clip. 4-channel U-Nets pass unchanged.
    """
    if config.in_channels != 2 * LATENT_CHANNELS:
        return config, state
    weight, bias = state["conv_in.weight"], state["conv_in.bias"]
    split = {
        **state,
        "conv_in.weight": weight[:, :LATENT_CHANNELS].clone(),
        "condition_conv_in.weight": weight[:, LATENT_CHANNELS:].clone(),
        "condition_conv_in.bias": bias.new_zeros(bias.shape),
    }
    return config.model_copy(update={"in_channels": LATENT_CHANNELS}), split


def is_unet_2d(values: dict[str, Any], state: dict[str, Tensor]) -> bool:
    """Whether a checkpoint is an image U-Net (InstructPix2Pix, MagicBrush), not a released LGVI."""
    names = values.get("down_block_types")
    flat = isinstance(names, list | tuple) and all(str(name).endswith("2D") for name in names)
    return flat and not any(".attn_temp." in key for key in state)


def inflate(
    values: dict[str, Any],
    state: dict[str, Tensor],
    attention: AttentionFunction = scaled_dot_product_attention,
    **changes: Any,
) -> InflatedUNet:
    """An image U-Net with temporal attention and mask decoder added, ready to be trained.

    ``values`` and ``state`` are the 2-D checkpoint's config and weights; ``changes`` override
    config values. What is added starts so that single frames come out as before.
    """
    added = {"temp_attn": True, "mask_decoder_type": "MaskDecoder", **changes}
    whole = read_unet_config({**values, **added}, "image U-Net")
    config, state = split_condition_input(whole, state)
    unet = InflatedUNet(config, attention=attention)
    unet.initialise_new_parts()
    result = unet.load_state_dict(state, strict=False)
    new = ("attn_temp.", "norm_temp.", "mask_decoder.")
    missing = [key for key in result.missing_keys if not any(part in key for part in new)]
    if missing or result.unexpected_keys:
        raise CheckpointError(
            f"image U-Net does not fit: missing {missing[:5]}, "
            f"unexpected {result.unexpected_keys[:5]}"
        )
    return unet
