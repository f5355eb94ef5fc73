"""Conversion of related U-Nets to LGVI's form: split condition input, inflated 2-D weights."""

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
    """Split an 8-channel `conv_in` into Conv_v for z_t plus Conv_x for c_x (Eq. 2).

    The function stays the same, and the condition's part can be computed once per video.
    U-Nets with 4 input channels are returned unchanged.
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
    """Return whether this is an image U-Net (InstructPix2Pix, MagicBrush, Stable Diffusion 1.5).

    A released LGVI is none.
    """
    names = values.get("down_block_types")
    flat = isinstance(names, list | tuple) and all(str(name).endswith("2D") for name in names)
    return flat and not any(".attn_temp." in key for key in state)


def inflate(
    values: dict[str, Any],
    state: dict[str, Tensor],
    attention: AttentionFunction = scaled_dot_product_attention,
    **changes: Any,
) -> InflatedUNet:
    """Add temporal attention and mask decoder to an image U-Net, ready to be trained.

    `values` and `state` are the 2-D checkpoint's config and weights; `changes` override config
    values. One with 4 input channels, such as Stable Diffusion 1.5's, gets Conv_x for c_x as well
    (Eq. 2). The new parts start such that the result for single frames stays the same. Raises
    CheckpointError where the weights do not fit.
    """
    added = {"temp_attn": True, "mask_decoder_type": "MaskDecoder", **changes}
    whole = read_unet_config({**values, **added}, "image U-Net")
    config, state = split_condition_input(whole, state)
    unet = InflatedUNet(config, attention=attention)
    unet.initialise_new_parts()
    new = ("attn_temp.", "norm_temp.", "mask_decoder.", "condition_conv_in.")
    load_old_parts(unet, state, new, "the image U-Net")
    return unet


def load_old_parts(
    unet: InflatedUNet, state: dict[str, Tensor], new: tuple[str, ...], origin: str
) -> None:
    """Load `state` into `unet`, whose tensors with any of `new` in their names may be missing.

    Raises CheckpointError that names `origin` and the tensors that are missing, unexpected or of
    another shape.
    """
    own = unet.state_dict()
    missing = [k for k in own if k not in state and not any(part in k for part in new)]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} is {list(value.shape)} instead of {list(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    groups = (("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes))
    if told := "; ".join(f"{len(n)} {what} ({', '.join(n[:3])})" for what, n in groups if n):
        raise CheckpointError(f"{origin} does not fit the configured U-Net: {told}")
    unet.load_state_dict(state, strict=False)
