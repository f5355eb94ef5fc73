"""Export a training run as a model that Load LGVI opens, or as a LoRA for ComfyUI's loaders.

    python -m train.export --run .runs/lgvi-mini --output lgvi_core/weights/lgvi-mini
    python -m train.export --run .runs/lgvi-mini --output lgvi-mini.safetensors --check
    python -m train.export --run .runs/lgvi --output lgvi --released
    python -m train.export --run .runs/lgvi-i --output lgvi-i --chat-output chat --released

An output whose name ends in .safetensors becomes one file, any other a diffusers folder; a LoRA
must be one file. A model carries the settings that it wants: those of the run's configuration, or
of the model that it started from. One that learned from collages says what it knows, in
vocabulary.json or in the file's metadata. A run of `train_lgvi_i` also holds a chat model:
`--chat-output` writes the whole model, as Load LGVI Chat opens it. `--released` writes a folder
that the authors' released code opens: with their names of classes and blocks and, for LGVI-I, the
chat model's trained parts in their layout (llava/llava_weights.pth). The metadata holds the
training configuration, the number of steps and the licence.
"""

import argparse
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextConfig

from lgvi_core.checkpoint.checkpoint import (
    CONFIG_KEY,
    SubModel,
    load_checkpoint,
    read_sub_model,
    save_single_file,
)
from lgvi_core.checkpoint.files import read_metadata
from lgvi_core.checkpoint.own_settings import SETTINGS_FILE, OwnSettings, read_own_settings
from lgvi_core.checkpoint.parts import TEXT_PREFIX
from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.unet.unet import InflatedUNet

from .data.collage.vocabulary import vocabulary
from .engine import checkpoints
from .engine.config import read_run_config
from .engine.files import write_json, write_tensors
from .joint.config import JointConfig, run_config_kind
from .joint.export import write_chat_folder, write_released_parts
from .lgvi.config import TrainConfig
from .lgvi.model import build_model, build_noise_scheduler
from .released import misfits, released_index, released_unet_config

logger = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
MODEL_INDEX = {
    "_class_name": "LGVIPipeline",
    "_diffusers_version": diffusers.__version__,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["lgvi_core", "InflatedUNet"],
}
VOCABULARY = "vocabulary"
"""Metadata key, and name of the JSON file in a folder, with what the model knows."""
TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "LICENSE",
)


def export(
    run: Path,
    output: Path,
    licence: str,
    dtype: torch.dtype = torch.float16,
    chat_output: Path | None = None,
    released: bool = False,
) -> None:
    """Export the newest intact checkpoint of `run` to `output`.

    `chat_output` is a folder for the whole chat model of LGVI-I. With `released`, `output` is a
    folder for the authors' code; what it cannot run all the same is logged. Raises LGVIError if
    there is no intact checkpoint, if `output` is a folder for a LoRA or a file with `released`, or
    if a chat model is wanted of a run without one.
    """
    config = read_run_config(run, run_config_kind(run))
    joint = config if isinstance(config, JointConfig) else None
    if joint is None and chat_output is not None:
        raise LGVIError(f"{run}: train_lgvi trains no chat model; leave out --chat-output")
    if released and output.suffix == ".safetensors":
        raise LGVIError(f"{output}: --released needs a folder, as the authors' models are folders")
    checkpoint = checkpoints.newest(run / "checkpoints")
    if checkpoint is None:
        raise LGVIError(f"{run}: no intact checkpoint to export")
    weights = load_file(checkpoint / checkpoints.WEIGHTS)
    step = int(checkpoint.name.removeprefix("step-"))
    metadata = training_facts(config, step, licence)
    if config.lora is not None:
        if output.suffix != ".safetensors":
            raise LGVIError(f"{output}: a LoRA is one file, give a name ending in .safetensors")
        write_tensors(output, _cast(weights, dtype), metadata)
        return
    parts = export_parts(config, weights, dtype)
    if released:
        for reason in misfits(parts):
            logger.warning("%s: the released code will not run it: %s", output, reason)
        parts["unet"].config = released_unet_config(parts["unet"].config)
    scheduler = _scheduler_config(config)
    known = None if config.data.collages is None else known_words()
    if known is not None:
        metadata[VOCABULARY] = json.dumps(known)
    if output.suffix == ".safetensors":
        output.parent.mkdir(parents=True, exist_ok=True)
        save_single_file(output, parts, scheduler, metadata, own_settings(config))
    else:
        write_json(output / SETTINGS_FILE, own_settings(config).model_dump())
        _write_folder(output, parts, scheduler, _tokenizer_folder(config), metadata, released)
        if known is not None:
            write_json(output / f"{VOCABULARY}.json", known)
    if joint is not None:
        if released:
            write_released_parts(joint, weights, output)
        if chat_output is not None:
            write_chat_folder(joint, weights, chat_output, metadata, dtype)


def known_words() -> dict[str, dict[str, list[str]]]:
    """The nouns and colours of collages, each with other words for it."""
    words = vocabulary()
    return {
        "nouns": {noun.name: list(noun.say) for noun in words.nouns.values()},
        "colours": {colour.name: list(colour.say) for colour in words.colours.values()},
    }


def training_facts(config: TrainConfig, step: int, licence: str) -> dict[str, str]:
    """Metadata on how the weights were trained, without the paths of the training machine."""
    facts = config.model_dump(mode="json", exclude={"output", "vae", "tokenizer", "samples"})
    for key in ("cache", "videos", "images"):
        facts["data"].pop(key)
    if facts["data"]["collages"] is not None:
        facts["data"]["collages"].pop("folder")
    if facts["start_from"] is not None:
        facts["start_from"] = Path(facts["start_from"]).name
    for key in ("model", "end_to_end_weights"):
        if facts.get("chat", {}).get(key) is not None:
            facts["chat"][key] = Path(facts["chat"][key]).name
    return {"license": licence, "steps": str(step), "training": json.dumps(facts)}


def own_settings(config: TrainConfig) -> OwnSettings:
    """The settings that the model wants: the run's, or those of the model that it started from."""
    if config.settings is not None:
        return config.settings
    return OwnSettings() if config.start_from is None else read_own_settings(config.start_from)


def export_parts(
    config: TrainConfig, weights: dict[str, Tensor], dtype: torch.dtype
) -> dict[str, SubModel]:
    """The parts of the exported model by name: U-Net, VAE and, without a chat model, text encoder.

    Tensors have the names of the released layout. `weights` is the checkpoint's exported state.
    """
    joint = isinstance(config, JointConfig)
    plain = config.model_copy(update={"compile": False})
    unet: InflatedUNet = build_model(plain, with_text_encoder=not joint).unet
    unet_config = {"_class_name": "InflatedUNet", **unet.config.model_dump(exclude_defaults=True)}
    if joint:
        unet_config["text_features"] = ["mm_head"]
    parts = {
        "unet": SubModel({**unet_config, "in_channels": 4}, _cast(_strip(weights, "unet."), dtype))
    }
    if not joint:
        parts["text_encoder"] = _text_encoder_part(config, weights, dtype)
    vae_folder = config.vae or (config.start_from or Path()) / "vae"
    vae = read_sub_model(vae_folder.parent, vae_folder.name)
    traces = ("_name_or_path", "block_out_channels") if _is_tiny(vae) else ("_name_or_path",)
    vae_config = {key: value for key, value in vae.config.items() if key not in traces}
    metadata = {k: v for k, v in vae.metadata.items() if k != "format"}
    parts["vae"] = SubModel(vae_config, _cast(vae.state, dtype), metadata)
    return parts


def _text_encoder_part(
    config: TrainConfig, weights: dict[str, Tensor], dtype: torch.dtype
) -> SubModel:
    text = {
        # These are Stable Diffusion 1.5's names, which newer versions of transformers shorten.
        TEXT_PREFIX + name.removeprefix(TEXT_PREFIX): value
        for name, value in _strip(weights, "text_encoder.").items()
    }
    if config.start_from is not None:
        text_config = read_sub_model(config.start_from, "text_encoder").config
    else:
        text_config = {
            "architectures": ["CLIPTextModel"],
            "model_type": "clip_text_model",
            **CLIPTextConfig(**config.text_encoder).to_diff_dict(),
            **config.text_encoder,
        }
        text_config.pop("transformers_version", None)
    return SubModel(text_config, _cast(text, dtype))


def check(output: Path) -> str:
    """Open the export as the nodes do, run one step, and return a line that describes it.

    Of a LoRA only the layers are counted. Raises CheckpointError or LGVIError if it does not work.
    """
    if output.suffix == ".safetensors" and CONFIG_KEY not in read_metadata(output):
        layers = len(load_file(output)) // 3
        return f"{output}: a LoRA of {layers} layers"
    pipeline = LGVIPipeline.from_checkpoint(output)
    prompt: str | Tensor = "remove the ball"
    if pipeline.text_encoder is None:
        prompt = torch.randn(1, 4, pipeline.unet.config.cross_attention_dim)
    result = pipeline(torch.rand(2, 32, 32, 3), prompt, steps=1, working_size=0)
    if not torch.isfinite(result.frames).all():
        raise LGVIError(f"{output}: a step gives NaN or infinite values")
    count = sum(p.numel() for p in pipeline.unet.parameters()) / 1e6
    mask = "with" if result.mask is not None else "without"
    return f"{output}: opens and runs, U-Net of {count:.1f} M parameters {mask} mask decoder"


def _write_folder(
    folder: Path,
    parts: dict[str, SubModel],
    scheduler: dict[str, Any],
    tokenizer: Path,
    metadata: dict[str, str],
    released: bool = False,
) -> None:
    """Write a diffusers folder; each file is complete before it gets its final name."""
    for name, part in parts.items():
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        write_json(folder / name / "config.json", part.config)
        extra = {**part.metadata, **(metadata if name == "unet" else {})}
        write_tensors(folder / name / f"{stem}.safetensors", part.state, extra)
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    index: dict[str, Any] = dict(MODEL_INDEX)
    if "text_encoder" in parts:
        target = folder / "tokenizer"
        target.mkdir(parents=True, exist_ok=True)
        for name in TOKENIZER_FILES:
            source = tokenizer / name
            if source.is_file() and source.resolve() != (target / name).resolve():
                shutil.copyfile(source, target / name)
    else:
        del index["text_encoder"], index["tokenizer"]
    vae_class = parts["vae"].config.get("_class_name", "AutoencoderKL")
    index["vae"] = ["diffusers", vae_class]
    write_json(folder / "model_index.json", released_index(index) if released else index)
    load_checkpoint(folder)


def _scheduler_config(config: TrainConfig) -> dict[str, Any]:
    values = dict(build_noise_scheduler(config).config)
    return {"_class_name": "DDIMScheduler", **{k: v for k, v in values.items() if k[0] != "_"}}


def _tokenizer_folder(config: TrainConfig) -> Path:
    return config.tokenizer or (config.start_from or Path()) / "tokenizer"


def _is_tiny(vae: SubModel) -> bool:
    return vae.config.get("_class_name") == "AutoencoderTiny"


def _strip(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _cast(state: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        name: value.to(dtype).contiguous() if value.is_floating_point() else value
        for name, value in state.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="output folder of train_lgvi")
    parser.add_argument("--output", type=Path, required=True, help="folder, or .safetensors file")
    parser.add_argument("--dtype", choices=DTYPES, default="fp16", help="of the weights")
    parser.add_argument("--license", default="unspecified", help="SPDX name for the metadata")
    parser.add_argument("--chat-output", type=Path, help="folder for the chat model of LGVI-I")
    parser.add_argument(
        "--released", action="store_true", help="folder in the names of the authors' released code"
    )
    parser.add_argument("--check", action="store_true", help="open the export and run a step")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        export(
            args.run,
            args.output,
            args.license,
            DTYPES[args.dtype],
            args.chat_output,
            args.released,
        )
        if args.check:
            logger.info("%s", check(args.output))
    except LGVIError as error:
        sys.exit(str(error))
    files = args.output.rglob("*") if args.output.is_dir() else [args.output]
    size = sum(file.stat().st_size for file in files if file.is_file())
    logger.info("%s: %.1f MB", args.output, size / 1e6)


if __name__ == "__main__":
    main()
