"""Export a training run as a diffusers folder that Load LGVI opens.

    python -m train.export --run .runs/lgvi-mini --output lgvi_core/weights/lgvi-mini

Weights are the averaged ones of the last checkpoint, in fp16.
"""

import argparse
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig

from lgvi_core.checkpoint import load_checkpoint
from lgvi_core.unet import UNetConfig

from .config import TrainConfig

logger = logging.getLogger(__name__)

MODEL_INDEX = {
    "_class_name": "LGVIPipeline",
    "_diffusers_version": diffusers.__version__,
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["lgvi_core", "InflatedUNet"],
    "vae": ["diffusers", "AutoencoderTiny"],
}
TEXT_PREFIX = "text_model."


def export(run: Path, output: Path) -> None:
    """Writes the folder `output` from the run's config and `checkpoint/ema.pt`."""
    config = TrainConfig.model_validate_json((run / "config.json").read_text())
    state = torch.load(run / "checkpoint" / "ema.pt", map_location="cpu", weights_only=True)

    unet_config = UNetConfig(**config.unet).model_dump(exclude_defaults=True)
    unet_config = {"_class_name": "InflatedUNet", **unet_config, "in_channels": 4}
    _write_json(output / "unet" / "config.json", unet_config)
    _write_tensors(
        output / "unet" / "diffusion_pytorch_model.safetensors",
        _strip(state, "unet."),
    )

    text_config = {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        **CLIPTextConfig(**config.text_encoder).to_diff_dict(),
        **config.text_encoder,
    }
    text_config.pop("transformers_version", None)
    _write_json(output / "text_encoder" / "config.json", text_config)
    _write_tensors(
        output / "text_encoder" / "model.safetensors",
        # Stable Diffusion 1.5's names, which newer versions of transformers have shortened.
        {
            TEXT_PREFIX + name.removeprefix(TEXT_PREFIX): value
            for name, value in _strip(state, "text_encoder.").items()
        },
    )

    vae_config = json.loads((config.vae / "config.json").read_text())
    for key in ("_name_or_path", "block_out_channels"):  # traces of how it was made
        vae_config.pop(key, None)
    _write_json(output / "vae" / "config.json", vae_config)
    _copy(config.vae, output / "vae", ["diffusion_pytorch_model.safetensors"])
    names = ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"]
    _copy(config.tokenizer, output / "tokenizer", names)
    DDIMScheduler(**config.scheduler).save_pretrained(output / "scheduler")
    _write_json(output / "model_index.json", MODEL_INDEX)
    load_checkpoint(output)
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    logger.info("%s: %.1f MB", output, size / 1e6)


def _strip(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n")


def _write_tensors(path: Path, state: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in state.items()
    }
    save_file(half, path, {"format": "pt"})


def _copy(source: Path, target: Path, names: list[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (source / name).resolve() != (target / name).resolve():
            shutil.copyfile(source / name, target / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="output folder of train_lgvi")
    parser.add_argument("--output", type=Path, required=True, help="diffusers folder to write")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    export(args.run, args.output)


if __name__ == "__main__":
    main()
