"""LGVI checkpoints: a diffusers folder, or one `.safetensors` file with its config as metadata.

A single file holds the tensors of the sub-models under the prefixes `unet.`, `vae.` and
`text_encoder.`; `lgvi_config` in its metadata holds their configurations by name, as JSON, and the
model's own `settings`.
A file with a U-Net alone (names without prefix, `lgvi_config` with `unet` and `scheduler`) is
accepted as well.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..config import SchedulerConfig, UNetConfig, parse_config, read_unet_config
from ..errors import CheckpointError
from ..latents import SD15_SCALING_FACTOR
from ..unet.inflate import is_unet_2d, split_condition_input
from ..unet.unet import InflatedUNet
from .files import (
    atomic_write,
    find_tensor_file,
    parse_json,
    read_json,
    read_metadata,
    read_tensors,
)
from .own_settings import (
    OFFICIAL,
    SETTINGS_FILE,
    SETTINGS_KEY,
    OwnSettings,
    parse_own_settings,
    read_own_settings,
)
from .sizes import differences
from .values import check_values

logger = logging.getLogger(__name__)

CONFIG_KEY = "lgvi_config"
# The sub-models of a folder, each with the names that its weights file has in released models.
SUB_MODELS = {
    "unet": ("diffusion_pytorch_model",),
    "vae": ("diffusion_pytorch_model",),
    "text_encoder": ("model", "pytorch_model"),
}
MASK_PREFIX = "mask_decoder."
CHAT_PARTS_FILE = Path("llava") / "llava_weights.pth"
"""Weights for the chat model, which the released LGVI-I folder holds beside LGVI's own."""
BUNDLED_MODEL = Path(__file__).parents[1] / "weights" / "lgvi-mini"

# The released folder's scheduler config, used where a U-Net comes without one.
DEFAULT_SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


@dataclass
class SubModel:
    """A sub-model of a checkpoint: U-Net, VAE or text encoder."""

    config: dict[str, Any]
    """Contents of its `config.json`."""
    state: dict[str, Tensor]
    """Tensors by their released names."""
    metadata: dict[str, str] = field(default_factory=dict)
    """String metadata of its safetensors file."""


@dataclass
class Checkpoint:
    """A validated checkpoint on the CPU. `vae` and `text_encoder` are None for a U-Net alone."""

    origin: Path
    """Folder or file that the checkpoint was read from."""
    unet_config: UNetConfig
    unet: dict[str, Tensor]
    """Weights of the U-Net by name."""
    scheduler: dict[str, Any]
    """Configuration of the diffusers scheduler."""
    noise_schedule: SchedulerConfig
    """Noise schedule and prediction type, parsed from `scheduler`."""
    scaling_factor: float
    """Factor by which the VAE's latents are multiplied before the U-Net sees them."""
    vae: SubModel | None = None
    text_encoder: SubModel | None = None
    own_settings: OwnSettings = OFFICIAL
    """Settings that the weights want."""

    @property
    def has_mask_decoder(self) -> bool:
        """Whether the U-Net predicts masks."""
        return self.unet_config.mask_decoder_type is not None

    @property
    def reads_sentences(self) -> bool:
        """Whether cross-attention can read CLIP's text features, not only a chat model's."""
        return "clip" in self.unet_config.text_features


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and validate a diffusers folder or a single file.

    Raises LGVIError that names the file and the reason: a missing, truncated or foreign file, a
    config that is not an LGVI U-Net's, or tensors that are missing, unexpected, of another shape or
    not finite.
    Without weights of the mask decoder, the mask is switched off with a warning.
    """
    path = Path(path)
    if path.is_dir():
        parts, scheduler = _read_folder(path)
        own_settings = read_own_settings(path)
    elif path.is_file():
        parts, scheduler, own_settings = _read_single_file(path)
    else:
        raise CheckpointError(f"{path}: no such folder or file")
    for name, part in parts.items():
        check_values(part.state, f"{path} {name}")
    unet = parts["unet"]
    config, state = check_unet(unet.config, unet.state, str(path))
    vae = parts.get("vae")
    return Checkpoint(
        path,
        config,
        state,
        scheduler,
        parse_config(SchedulerConfig, scheduler, f"{path} scheduler"),
        _scaling_factor(vae, path),
        vae,
        parts.get("text_encoder"),
        own_settings,
    )


def check_unet(
    values: dict[str, Any], state: dict[str, Tensor], origin: str
) -> tuple[UNetConfig, dict[str, Tensor]]:
    """Validate a U-Net's config `values` and its weights, and return them in split-input form.

    The returned config and weights fit each other exactly. A 2-D U-Net (InstructPix2Pix,
    MagicBrush) becomes LGVI without temporal attention; that is the function of a fresh inflation,
    whose temporal output projection is zero. Raises LGVIError where they are not an LGVI U-Net's.
    """
    if is_unet_2d(values, state):
        logger.info("%s: an image U-Net, inflated without temporal attention", origin)
        values = {**values, "temp_attn": False}
    mask_width = state.get(f"{MASK_PREFIX}final_conv.weight")
    if mask_width is not None and mask_width.ndim == 4:
        values = {
            **values,
            "mask_decoder_type": "MaskDecoder",
            "mask_decoder_channels": mask_width.shape[1],
        }
    elif values.get("mask_decoder_type") and not any(k.startswith(MASK_PREFIX) for k in state):
        logger.warning("%s: no mask-decoder weights, so this model predicts no mask", origin)
        values = {**values, "mask_decoder_type": None}
    config = read_unet_config(values, origin)
    with torch.device("meta"):
        expected = {name: p.shape for name, p in InflatedUNet(config).state_dict().items()}
    problems = differences(expected, {name: value.shape for name, value in state.items()})
    if problems:
        raise CheckpointError(f"{origin}: not the weights of this U-Net: {problems}")
    return split_condition_input(config, state)


def save_single_file(
    path: Path,
    parts: dict[str, SubModel],
    scheduler: dict[str, Any],
    metadata: dict[str, str],
    own_settings: OwnSettings | None = None,
) -> None:
    """Write `parts`, by the names in `SUB_MODELS`, as a single-file checkpoint, atomically."""
    tensors = {
        f"{name}.{key}": value.contiguous()
        for name, part in parts.items()
        for key, value in part.state.items()
    }
    configs = {name: part.config for name, part in parts.items()} | {"scheduler": scheduler}
    if own_settings is not None:
        configs[SETTINGS_KEY] = own_settings.model_dump()
    extra = {f"{name}.{k}": v for name, part in parts.items() for k, v in part.metadata.items()}
    with atomic_write(path) as partial:
        save_file(tensors, partial, {**metadata, **extra, CONFIG_KEY: json.dumps(configs)})


def load_own_settings(path: Path) -> OwnSettings:
    """Read the own settings of a folder or single file; raises LGVIError as `load_checkpoint`."""
    if path.is_dir():
        return read_own_settings(path)
    settings = _configs_of(path, read_metadata(path)).get(SETTINGS_KEY)
    return OFFICIAL if settings is None else parse_own_settings(settings, str(path))


def write_own_settings(path: Path, own: OwnSettings) -> None:
    """Replace the own settings of a folder or single file, atomically; the weights stay.

    Raises LGVIError where there is no LGVI checkpoint at `path`.
    """
    if path.is_dir():
        if not (path / "unet").is_dir():
            raise CheckpointError(f"{path}: not a diffusers folder (no unet/ inside)")
        with atomic_write(path / SETTINGS_FILE) as partial:
            partial.write_text(json.dumps(own.model_dump(), indent=2) + "\n", encoding="utf-8")
        return
    metadata = read_metadata(path)
    configs = _configs_of(path, metadata) | {SETTINGS_KEY: own.model_dump()}
    # Copies, because a file that is still mapped cannot be replaced on Windows.
    tensors = {name: tensor.clone() for name, tensor in read_tensors(path).items()}
    with atomic_write(path) as partial:
        save_file(tensors, partial, metadata | {CONFIG_KEY: json.dumps(configs)})


def read_sub_model(folder: Path, name: str) -> SubModel:
    """Read the sub-model `name` of a diffusers folder."""
    part = folder / name
    config = _json_object(read_json(part / "config.json"), part / "config.json")
    file = find_tensor_file(part, SUB_MODELS[name])
    metadata = read_metadata(file) if file.suffix == ".safetensors" else {}
    return SubModel(config, read_tensors(file), metadata)


def read_scheduler(folder: Path) -> dict[str, Any]:
    """Return the scheduler's config of a diffusers folder, or the released one if it has none."""
    file = folder / "scheduler" / "scheduler_config.json"
    return _json_object(read_json(file), file) if file.is_file() else DEFAULT_SCHEDULER


def _read_folder(folder: Path) -> tuple[dict[str, SubModel], dict[str, Any]]:
    if not (folder / "unet").is_dir():
        raise CheckpointError(
            f"{folder}: not a diffusers folder (no unet/ inside). Choose the folder that holds "
            "model_index.json, unet/, vae/ and text_encoder/."
        )
    parts = {name: read_sub_model(folder, name) for name in SUB_MODELS if (folder / name).is_dir()}
    if (folder / CHAT_PARTS_FILE).is_file():
        parts["unet"].config.setdefault("text_features", ["mm_head"])
    return parts, read_scheduler(folder)


def _read_single_file(path: Path) -> tuple[dict[str, SubModel], dict[str, Any], OwnSettings]:
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: a single-file model must be .safetensors")
    metadata = read_metadata(path)
    configs = _configs_of(path, metadata)
    tensors = read_tensors(path)
    parts = {}
    for name in SUB_MODELS:
        prefix = f"{name}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if state:
            extra = {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}
            parts[name] = SubModel(_json_object(configs.get(name), path), state, extra)
    if "unet" not in parts:
        parts["unet"] = SubModel(_json_object(configs.get("unet"), path), tensors)
    scheduler = _json_object(configs.get("scheduler", DEFAULT_SCHEDULER), path)
    settings = configs.get(SETTINGS_KEY)
    own = OFFICIAL if settings is None else parse_own_settings(settings, str(path))
    return parts, scheduler, own


def _configs_of(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Return the configurations in a single file's metadata, by name."""
    if CONFIG_KEY not in metadata:
        raise CheckpointError(
            f"{path}: not an LGVI file (no {CONFIG_KEY!r} in its metadata). Single files are "
            "written by this project's training; other models load from their diffusers folder."
        )
    return _json_object(parse_json(metadata[CONFIG_KEY], str(path)), path)


def _scaling_factor(vae: SubModel | None, origin: Path) -> float:
    value = (vae.config if vae else {}).get("scaling_factor", SD15_SCALING_FACTOR)
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise CheckpointError(f"{origin}: scaling_factor of the VAE is {value!r}")
    return float(value)


def _json_object(value: Any, origin: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CheckpointError(f"{origin}: the configuration is not a JSON object")
    return value
