"""Comparison of a config's sizes with the tensors that a file has, before anything is built.

A config may name any size. Memory and time are spent only on those that the weights have as well.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..config import TextEncoderConfig, Width, parse_config
from ..errors import CheckpointError

TEXT_PREFIX = "text_model."
POSITION_IDS = "position_ids"
"""End of the name of a buffer that older files carry and that is computed here."""
SHOWN = 5
"""Tensors that a message names of each kind of problem."""

_Layers = Annotated[int, Field(gt=0, le=16)]
_Levels = Annotated[list[Width], Field(min_length=1, max_length=8)]
_Counts = Annotated[list[_Layers], Field(min_length=1, max_length=8)]
_Names = Annotated[list[str], Field(min_length=1, max_length=8)]


class VAESizes(BaseModel):
    """Sizes of diffusers' autoencoders, AutoencoderKL and AutoencoderTiny."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    in_channels: Literal[3] = 3
    out_channels: Literal[3] = 3
    latent_channels: Literal[4] = 4
    layers_per_block: _Layers = 1
    norm_num_groups: Width = 32
    upsampling_scaling_factor: Literal[2] = 2
    upsample_fn: Literal["nearest"] = "nearest"
    block_out_channels: _Levels | None = None
    down_block_types: _Names | None = None
    up_block_types: _Names | None = None
    encoder_block_out_channels: _Levels | None = None
    decoder_block_out_channels: _Levels | None = None
    num_encoder_blocks: _Counts | None = None
    num_decoder_blocks: _Counts | None = None


def check_text_encoder(
    values: Any, state: Mapping[str, Tensor], origin: str | Path
) -> TextEncoderConfig:
    """Return CLIP's config, whose sizes are those of the tensors in `state`.

    Raises LGVIError that names `origin` and the keys or tensors that do not fit.
    """
    config = parse_config(TextEncoderConfig, values, f"{origin} text encoder")
    given = {
        key.removeprefix(TEXT_PREFIX): value.shape
        for key, value in state.items()
        if not key.endswith(POSITION_IDS)
    }
    # ComfyUI's network has a projection that some files carry and that is not used here.
    given.pop("text_projection.weight", None)
    given.pop("logit_scale", None)
    rows = given.get("embeddings.token_embedding.weight", (0,))
    expected = dict(_text_shapes(config, rows[0] if rows else 0))
    if problems := differences(expected, given):
        raise CheckpointError(f"{origin}: text encoder does not fit: {problems}")
    return config


def differences(expected: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Describe how the shapes `given` differ from those `expected`; empty where they do not."""
    missing = sorted(expected.keys() - given.keys())
    unexpected = sorted(given.keys() - expected.keys())
    shapes = [
        f"{key} is {list(given[key])} instead of {list(shape)}"
        for key, shape in expected.items()
        if key in given and tuple(given[key]) != tuple(shape)
    ]
    groups = (("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes))
    return "; ".join(
        f"{len(names)} {what} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
        for what, names in groups
        if names
    )


def _text_shapes(config: TextEncoderConfig, rows: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and shape of every tensor of CLIP's text model with `rows` tokens."""
    width, inner = config.hidden_size, config.intermediate_size
    yield "embeddings.token_embedding.weight", (rows, width)
    yield "embeddings.position_embedding.weight", (config.max_position_embeddings, width)
    for layer in range(config.num_hidden_layers):
        name = f"encoder.layers.{layer}"
        for part in ("q", "k", "v", "out"):
            yield from _layer(f"{name}.self_attn.{part}_proj", (width, width))
        yield from _layer(f"{name}.mlp.fc1", (inner, width))
        yield from _layer(f"{name}.mlp.fc2", (width, inner))
        for norm in ("layer_norm1", "layer_norm2"):
            yield from _layer(f"{name}.{norm}", (width,))
    yield from _layer("final_layer_norm", (width,))


def _layer(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]
