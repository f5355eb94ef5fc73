"""The other models of a checkpoint: VAE, text encoder, tokenizer and scheduler."""

from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..config import parse_config
from ..errors import CheckpointError
from .checkpoint import BUNDLED_MODEL, Checkpoint, SubModel
from .guard import panics_as_errors
from .regular import check_folder
from .sizes import POSITION_IDS, TEXT_PREFIX, VAESizes, check_text_encoder, differences
from .tokenizer_file import check_tokenizer_files

VAE_CLASSES = {
    "AutoencoderKL": diffusers.AutoencoderKL,
    "AutoencoderTiny": diffusers.AutoencoderTiny,
}
OLD_VAE_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
TOKENIZER_FILES = ("vocab.json", "merges.txt")
VAE_CHUNK = 8
"""Number of frames encoded or decoded at a time; on a CPU it is one, which stays in its cache."""


def build_vae(part: SubModel, origin: str | Path) -> Any:
    """Build diffusers' autoencoder.

    Raises LGVIError that names `origin` for a class that LGVI does not know, and where config and
    weights do not fit.
    """
    name = part.config.get("_class_name", "AutoencoderKL")
    if name not in VAE_CLASSES:
        raise CheckpointError(f"{origin}: VAE class {name!r} is not one of {sorted(VAE_CLASSES)}")
    parse_config(VAESizes, part.config, f"{origin} VAE")
    state = {_current_vae_name(key): value for key, value in part.state.items()}
    try:
        with torch.device("meta"):
            skeleton = VAE_CLASSES[name].from_config(part.config)
    except Exception as error:  # a wrong value in a foreign config fails in many ways
        raise CheckpointError(f"{origin}: no VAE can be built of its config ({error})") from error
    _check_shapes(skeleton, state, f"{origin}: VAE")
    vae = VAE_CLASSES[name].from_config(part.config)
    vae.load_state_dict(state, assign=True)
    return vae


def encode_images(vae: Any, images: Tensor) -> Tensor:
    """Encode `images` [n, 3, h, w], -1 to 1, as scaled latents [n, 4, h / 8, w / 8].

    A VAE with a posterior gives its mean, so that the result is deterministic.
    """
    chunks = []
    for chunk in images.split(_chunk(images)):
        encoded = vae.encode(chunk)
        has_posterior = hasattr(encoded, "latent_dist")
        chunks.append(encoded.latent_dist.mode() if has_posterior else encoded.latents)
    return torch.cat(chunks) * vae.config.scaling_factor


def decode_latents(vae: Any, latents: Tensor) -> Tensor:
    """Decode scaled `latents` [n, 4, h / 8, w / 8] to images [n, 3, h, w], about -1 to 1."""
    latents = latents / vae.config.scaling_factor
    return torch.cat([vae.decode(chunk).sample for chunk in latents.split(_chunk(latents))])


def _chunk(frames: Tensor) -> int:
    return 1 if frames.device.type == "cpu" else VAE_CHUNK


def build_text_encoder(part: SubModel, origin: str | Path = "start_from") -> nn.Module:
    """Build CLIP's text model from weights named by any version of transformers.

    Raises LGVIError that names `origin` where config and weights do not fit.
    """
    sizes = check_text_encoder(part.config, part.state, origin)
    table = next(v for k, v in part.state.items() if k.endswith("token_embedding.weight"))
    config = CLIPTextConfig(**sizes.model_dump(), vocab_size=len(table))
    with torch.device("meta"):
        expected = CLIPTextModel(config).state_dict().keys()
    state = {key: v for key, v in part.state.items() if not key.endswith(POSITION_IDS)}
    if expected and not next(iter(expected)).startswith(TEXT_PREFIX):
        state = {key.removeprefix(TEXT_PREFIX): value for key, value in state.items()}
    model = CLIPTextModel(config)
    _check_shapes(model, state, f"{origin}: text encoder")
    model.load_state_dict(state, assign=True)
    return model


def build_tokenizer(checkpoint: Checkpoint) -> CLIPTokenizer:
    """Read CLIP's tokenizer; raises CheckpointError that names its folder where it cannot be."""
    folder = tokenizer_folder(checkpoint)
    check_folder(folder)
    files = TOKENIZER_FILES if not (folder / "tokenizer.json").is_file() else ()
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise CheckpointError(f"{folder}: the tokenizer lacks {' and '.join(missing)}")
    check_tokenizer_files(folder)
    with panics_as_errors(f"{folder}: the tokenizer"):
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def tokenizer_folder(checkpoint: Checkpoint) -> Path:
    """Return the folder of the checkpoint's tokenizer, or of the bundled one if it has none."""
    own = checkpoint.origin / "tokenizer"
    return own if own.is_dir() else BUNDLED_MODEL / "tokenizer"


def build_scheduler(checkpoint: Checkpoint) -> Any:
    """Build the diffusers scheduler that the checkpoint names.

    Raises CheckpointError where diffusers has none of that name.
    """
    name = checkpoint.scheduler.get("_class_name", "DDIMScheduler")
    scheduler_class = getattr(diffusers, str(name), None)
    if not (
        isinstance(scheduler_class, type) and issubclass(scheduler_class, diffusers.SchedulerMixin)
    ):
        raise CheckpointError(f"{checkpoint.origin}: unknown diffusers scheduler {name!r}")
    return scheduler_class.from_config(checkpoint.scheduler)


def _check_shapes(module: Any, state: dict[str, Tensor], what: str) -> None:
    """Raise CheckpointError where a network and the weights for it differ in names or shapes."""
    expected = {key: value.shape for key, value in module.state_dict().items()}
    if problems := differences(expected, {key: value.shape for key, value in state.items()}):
        raise CheckpointError(f"{what} does not fit: {problems}")


def _current_vae_name(key: str) -> str:
    """Return a VAE weight's current name; Stable Diffusion 1.5's file may have old ones."""
    for old, new in OLD_VAE_NAMES.items():
        key = key.replace(old, new)
    return key
