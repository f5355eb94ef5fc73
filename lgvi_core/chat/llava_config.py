"""The configuration of a foreign LLaVA: what is known of it is taken, the rest is left out.

transformers obeys whatever a config says: code to fetch for attention, quantisation, networks of
any size. So only the keys that describe the network are handed on, within bounds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

from ..checkpoint.files import read_json
from ..config import parse_config
from ..errors import CheckpointError
from .llava import common_name, read_weight_files

VISION_TOWER = "clip-vit-large-patch14-336"
"""Folder of the vision tower, which LLaVA 1.5's own folder in the original layout lacks."""
TEXT_TYPES = ("llama", "mistral", "qwen2")
VISION_TYPES = ("clip_vision_model", "siglip_vision_model")

_LLAVA_KEYS = (
    "image_token_index",
    "image_token_id",
    "projector_hidden_act",
    "vision_feature_select_strategy",
    "vision_feature_layer",
    "image_seq_length",
    "multimodal_projector_bias",
    "tie_word_embeddings",
)
_TEXT_KEYS = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "attention_bias",
    "mlp_bias",
    "tie_word_embeddings",
    "sliding_window",
    "use_sliding_window",
    "max_window_layers",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
_VISION_KEYS = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "projection_dim",
    "num_hidden_layers",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
    "hidden_act",
    "layer_norm_eps",
    "vision_use_head",
    "vocab_size",
)

_Size = Annotated[int, Field(gt=0, le=1_000_000)]
_Count = Annotated[int, Field(gt=0, le=512)]
_Small = Annotated[float, Field(gt=0, lt=1)]
_Pixels = Annotated[int, Field(gt=0, le=4096)]


class _Sizes(BaseModel):
    """Sizes that both networks have; those that are missing are transformers' own."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, strict=True)

    model_type: str | None = None
    hidden_size: _Size | None = None
    intermediate_size: _Size | None = None
    num_hidden_layers: _Count | None = None
    num_attention_heads: _Count | None = None
    hidden_act: str | None = None


class _TextSizes(_Sizes):
    vocab_size: _Size | None = None
    num_key_value_heads: _Count | None = None
    head_dim: Annotated[int, Field(gt=0, le=8192)] | None = None
    max_position_embeddings: Annotated[int, Field(gt=0, le=100_000_000)] | None = None
    sliding_window: _Size | None = None
    rms_norm_eps: _Small | None = None


class _VisionSizes(_Sizes):
    image_size: _Pixels | None = None
    patch_size: _Pixels | None = None
    num_channels: Annotated[int, Field(ge=3, le=3)] | None = None
    layer_norm_eps: _Small | None = None


class _LlavaKeys(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    image_token_index: Annotated[int, Field(ge=0)] | None = None
    image_token_id: Annotated[int, Field(ge=0)] | None = None
    vision_feature_layer: int | list[int] | None = None


def read_llava_config(
    folder: Path, values: Any, tokenizer: Any, state: Mapping[str, Tensor]
) -> tuple[LlavaConfig, dict[str, Tensor]]:
    """Return the configuration, and the vision tower's weights if they have their own folder.

    Raises LGVIError that names the folder, and the keys that cannot be used.
    """
    found: tuple[LlavaConfig, dict[str, Tensor]]
    try:
        if "vision_config" in values:
            found = _divided_config(folder, values), {}
        else:
            found = _original_config(folder, values, tokenizer, state)
    except CheckpointError:
        raise
    except Exception as error:  # a wrong value in a foreign config fails in many ways
        raise CheckpointError(
            f"{folder}: config.json is not one of a LLaVA that can be used here ({error})"
        ) from error
    _check_indices(folder, found[0])
    return found


def _divided_config(folder: Path, values: dict[str, Any]) -> LlavaConfig:
    origin = f"{folder}: config.json"
    parse_config(_LlavaKeys, values, origin)
    text = _known(values.get("text_config") or {}, _TEXT_KEYS, f"{origin} text_config")
    vision = _known(values["vision_config"], _VISION_KEYS, f"{origin} vision_config")
    parse_config(_TextSizes, text, f"{origin} text_config")
    parse_config(_VisionSizes, vision, f"{origin} vision_config")
    _check_type(text, TEXT_TYPES, f"{origin} text_config")
    _check_type(vision, VISION_TYPES, f"{origin} vision_config")
    own = _known(values, _LLAVA_KEYS, origin)
    return LlavaConfig.from_dict({**own, "text_config": text, "vision_config": vision})


def _original_config(
    folder: Path, values: dict[str, Any], tokenizer: Any, state: Mapping[str, Tensor]
) -> tuple[LlavaConfig, dict[str, Tensor]]:
    """Do as `read_llava_config` for the original LLaVA 1.5, whose config is not divided."""
    tower = Path(str(values.get("mm_vision_tower", VISION_TOWER))).name
    places = (folder / tower, folder.parent / tower)
    home = next((place for place in places if (place / "config.json").is_file()), None)
    if home is None:
        raise CheckpointError(
            f"{folder}: LLaVA in its authors' layout needs the vision tower beside it: put the "
            f"folder {tower} (from the hub: openai/{tower}) into {folder.parent}"
        )
    # That layout has no image token. The unknown token serves as one, since no text produces it.
    if tokenizer.unk_token_id is None:
        raise CheckpointError(f"{folder}: the tokenizer has no unknown token, as LLaVA 1.5's has")
    tower_values = read_json(home / "config.json")
    if isinstance(tower_values, dict):
        tower_values = tower_values.get("vision_config", tower_values)
    vision = _known(tower_values, _VISION_KEYS, f"{home}: config.json")
    text = _known(values, _TEXT_KEYS, f"{folder}: config.json")
    parse_config(_VisionSizes, vision, f"{home}: config.json")
    parse_config(_TextSizes, text, f"{folder}: config.json")
    for part in (text, vision):
        part.pop("model_type", None)
    vision_state: dict[str, Tensor] = {}
    if not any(common_name(key).startswith("vision.") for key in state):
        tensors = read_weight_files(home)
        vision_state = {
            f"vision_tower.{key}": value
            for key, value in tensors.items()
            if key.startswith("vision_model.")
        }
    config = LlavaConfig(
        text_config=LlamaConfig(**text),
        vision_config=CLIPVisionConfig(**vision),
        image_token_index=tokenizer.unk_token_id,
        vision_feature_layer=values.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
    )
    return config, vision_state


def _known(values: Any, keys: tuple[str, ...], origin: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise CheckpointError(f"{origin}: not a JSON object")
    return {key: values[key] for key in keys if key in values}


def _check_type(values: dict[str, Any], known: tuple[str, ...], origin: str) -> None:
    kind = values.get("model_type", known[0])
    if kind not in known:
        raise CheckpointError(
            f"{origin}: model_type {kind!r} is not one that can be used: {', '.join(known)}"
        )


def _check_indices(folder: Path, config: Any) -> None:
    """Raise CheckpointError for an image token or a vision layer that is not there."""
    token, rows = config.image_token_index, config.text_config.vocab_size
    if not isinstance(token, int) or not 0 <= token < rows:
        raise CheckpointError(
            f"{folder}: the image token of config.json is {token!r}, the vocabulary has {rows}"
        )
    layers, depth = config.vision_feature_layer, config.vision_config.num_hidden_layers
    for layer in layers if isinstance(layers, list | tuple) else [layers]:
        if not isinstance(layer, int) or not layer or not -depth - 1 <= layer <= depth:
            raise CheckpointError(
                f"{folder}: vision_feature_layer of config.json is {layer!r}, the vision tower has "
                f"{depth} layers"
            )
