"""Validated configurations of a checkpoint: U-Net, scheduler and text encoder."""

import logging
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import LGVIError

logger = logging.getLogger(__name__)

TextFeatures = Literal["clip", "mm_head"]
"""Source of the features for cross-attention: CLIP's text encoder or a chat model's MM head."""

DOWN_BLOCKS = ("CrossAttnDownBlock", "DownBlock")
UP_BLOCKS = ("CrossAttnUpBlock", "UpBlock")

# These keys of diffusers' 2-D configurations change the network's function. Only Stable Diffusion
# 1.5's values are implemented; any other value is refused rather than computed wrongly.
ONLY_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu", "swish"),
    "addition_embed_type": (None,),
    "class_embed_type": (None,),
    "conv_in_kernel": (None, 3),
    "conv_out_kernel": (None, 3),
    "downsample_padding": (1,),
    "dual_cross_attention": (None, False),
    "encoder_hid_dim": (None,),
    "mid_block_only_cross_attention": (None, False),
    "mid_block_type": ("UNetMidBlock3DCrossAttn", "UNetMidBlock2DCrossAttn"),
    "num_class_embeds": (None,),
    "only_cross_attention": (None, False),
    "resnet_out_scale_factor": (None, 1, 1.0),
    "resnet_skip_time_act": (None, False),
    "resnet_time_scale_shift": ("default",),
    "time_cond_proj_dim": (None,),
    "time_embedding_act_fn": (None,),
    "time_embedding_dim": (None,),
    "time_embedding_type": (None, "positional"),
    "timestep_post_act": (None,),
    "transformer_layers_per_block": (None, 1),
}

# The bounds are far above any real model; they keep a hostile config from allocating huge layers.
Width = Annotated[int, Field(gt=0, le=65536)]

# These keys do not affect the network's function, so they are ignored without a log line.
IGNORED_KEYS = {"sample_size", "attention_type", "dropout", "st_attn"}


class UNetConfig(BaseModel):
    """Configuration of the inflated U-Net. The defaults are those of the released `RoviModel`.

    `attention_head_dim` is the number of heads, one for each level or one for all levels, as in
    every Stable Diffusion 1.5 configuration.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    in_channels: Literal[4, 8] = 4
    out_channels: Literal[4] = 4
    block_out_channels: tuple[Width, ...] = Field(
        (320, 640, 1280, 1280), min_length=1, max_length=8
    )
    down_block_types: tuple[str, ...] = ()
    up_block_types: tuple[str, ...] = ()
    layers_per_block: int = Field(2, gt=0, le=16)
    cross_attention_dim: Width = 1280
    attention_head_dim: int | tuple[int, ...] = 8
    norm_num_groups: int = Field(32, gt=0)
    norm_eps: float = Field(1e-5, gt=0)
    mid_block_scale_factor: float = Field(1.0, gt=0)
    center_input_sample: bool = False
    flip_sin_to_cos: bool = True
    freq_shift: float = Field(0.0, ge=0, le=1)
    use_linear_projection: bool = False
    upcast_attention: bool = False
    temp_attn: bool = False
    lan_cross_attn: bool = False
    cross_frame_type: Literal["previous", "first"] | None = None
    mask_decoder_type: Literal["MaskDecoder"] | None = None
    mask_decoder_channels: Width = 512
    mask_decoder_groups: int = Field(32, gt=0)
    text_features: tuple[TextFeatures, ...] = Field(("clip",), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_released(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key, allowed in ONLY_SUPPORTED.items():
            if key in values and values[key] not in allowed:
                raise ValueError(
                    f"{key} = {values[key]!r} is not an LGVI U-Net (supported: {allowed})"
                )
        values = {key: value for key, value in values.items() if value is not None}
        if heads := values.pop("num_attention_heads", None):
            values["attention_head_dim"] = heads
        widths = values.get("block_out_channels", cls.model_fields["block_out_channels"].default)
        if not isinstance(widths, list | tuple):
            return values
        levels = len(widths)
        plain_level = levels - 1
        values.setdefault(
            "down_block_types", [DOWN_BLOCKS[i == plain_level] for i in range(levels)]
        )
        values.setdefault("up_block_types", [UP_BLOCKS[i == 0] for i in range(levels)])
        for key in ("down_block_types", "up_block_types"):
            if isinstance(values[key], list | tuple):
                names = map(str, values[key])
                values[key] = tuple(n.removesuffix("2D").removesuffix("3D") for n in names)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "UNetConfig":
        levels = len(self.block_out_channels)
        for key, known in (("down_block_types", DOWN_BLOCKS), ("up_block_types", UP_BLOCKS)):
            names = getattr(self, key)
            if len(names) != levels:
                raise ValueError(f"{key} has {len(names)} entries for {levels} levels")
            if unknown := set(names) - set(known):
                raise ValueError(f"{key} names unknown blocks {sorted(unknown)}")
        if len(self.heads) != levels:
            raise ValueError(
                f"attention_head_dim has {len(self.heads)} entries for {levels} levels"
            )
        for channels, heads in zip(self.block_out_channels, self.heads, strict=True):
            if heads < 1 or channels % heads:
                raise ValueError(f"{channels} channels cannot be split into {heads} heads")
            if channels % self.norm_num_groups:
                raise ValueError(f"{channels} channels cannot form {self.norm_num_groups} groups")
        if self.block_out_channels[0] // 2 <= self.freq_shift:
            raise ValueError(
                f"{self.block_out_channels[0]} channels leave no frequencies with freq_shift "
                f"{self.freq_shift}"
            )
        if self.mask_decoder_type and self.mask_decoder_channels % self.mask_decoder_groups:
            raise ValueError(
                f"mask_decoder_channels {self.mask_decoder_channels} cannot form "
                f"{self.mask_decoder_groups} groups"
            )
        return self

    @property
    def heads(self) -> tuple[int, ...]:
        """Number of attention heads of each level, shallowest first."""
        if isinstance(self.attention_head_dim, int):
            return (self.attention_head_dim,) * len(self.block_out_channels)
        return self.attention_head_dim


class SchedulerConfig(BaseModel):
    """Noise schedule and prediction type, by the names of diffusers' scheduler configs."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    num_train_timesteps: int = Field(1000, gt=0, le=100_000)
    beta_start: float = Field(0.00085, gt=0, lt=1)
    beta_end: float = Field(0.012, gt=0, lt=1)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    rescale_betas_zero_snr: bool = False
    trained_betas: None = None


class TextEncoderConfig(BaseModel):
    """Size of the CLIP text model. The defaults are Stable Diffusion 1.5's."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    hidden_size: Width = 768
    intermediate_size: Width = 3072
    num_hidden_layers: int = Field(12, gt=0, le=256)
    num_attention_heads: int = Field(12, gt=0, le=1024)
    max_position_embeddings: int = Field(77, gt=0, le=65536)
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"

    @model_validator(mode="after")
    def _consistent(self) -> "TextEncoderConfig":
        width, heads = self.hidden_size, self.num_attention_heads
        if width % heads:
            raise ValueError(f"hidden_size {width} cannot be split into {heads} heads")
        return self


Config = TypeVar("Config", bound=BaseModel)


def parse_config(kind: type[Config], values: Any, origin: str) -> Config:
    """Validate the `values` of a JSON config as a `kind`.

    Raises LGVIError that names `origin` and every invalid key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'config'}: {item['msg']}"
            for item in error.errors()
        )
        raise LGVIError(f"{origin}: {kind.__name__} that LGVI cannot use: {reasons}") from error


def read_unet_config(values: Any, origin: str) -> UNetConfig:
    """Validate the `values` of a U-Net's `config.json`; unknown keys are logged and ignored.

    Raises LGVIError that names `origin` and every invalid key.
    """
    if not isinstance(values, dict):
        raise LGVIError(f"{origin}: the U-Net config is not a JSON object")
    known = set(UNetConfig.model_fields) | set(ONLY_SUPPORTED) | IGNORED_KEYS
    known.add("num_attention_heads")
    unknown = [
        key
        for key, value in values.items()
        if key not in known and not key.startswith("_") and value not in (None, False)
    ]
    if unknown:
        logger.info("%s: config keys that LGVI does not use: %s", origin, ", ".join(unknown))
    return parse_config(UNetConfig, values, origin)
