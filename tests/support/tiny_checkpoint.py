"""Small random checkpoints in the released layout, for tests that need no trained weights."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from lgvi_core.checkpoint.checkpoint import DEFAULT_SCHEDULER
from lgvi_core.checkpoint.own_settings import SETTINGS_FILE
from support.cases import filled_unet, small_config

OWN_SETTINGS = {"working_size": 64, "steps": 3, "text_scale": 2.5, "scheduler": "simple"}
"""What the checkpoints say that they want."""


def write_part(folder: Path, name: str, config: dict[str, Any], state: dict[str, Tensor]) -> None:
    stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
    part = folder / name
    part.mkdir(parents=True)
    (part / "config.json").write_text(json.dumps(config))
    save_file({k: v.contiguous() for k, v in state.items()}, part / f"{stem}.safetensors")


def write_checkpoint(folder: Path, scheduler: dict[str, Any] | None = None, **unet: Any) -> Path:
    """Write a diffusers folder with a random U-Net of `small_config(**unet)`, TAESD and CLIP."""
    torch.manual_seed(0)
    config = small_config(**unet)
    write_part(folder, "unet", config.model_dump(mode="json"), filled_unet(config).state_dict())
    vae = diffusers.AutoencoderTiny()
    vae_config = {"_class_name": "AutoencoderTiny", **vae.config}
    write_part(folder, "vae", vae_config, vae.state_dict())
    text_config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=config.cross_attention_dim,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=49407,
    )
    state = CLIPTextModel(text_config).state_dict()
    prefixed = {f"text_model.{k.removeprefix('text_model.')}": v for k, v in state.items()}
    write_part(folder, "text_encoder", text_config.to_dict(), prefixed)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(scheduler or DEFAULT_SCHEDULER)
    )
    (folder / SETTINGS_FILE).write_text(json.dumps(OWN_SETTINGS))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LGVIPipeline"}))
    return folder
