"""Files that the workflows expect in ComfyUI's folders: videos and a LoRA."""

import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..paths import ROOT
from ..workflows.designs import CLIP, CLIPS, LORA

SAMPLE = ROOT / "workflows" / "inputs" / CLIP
UNET = ROOT / "lgvi_core" / "weights" / "lgvi-mini" / "unet"
RANK, SIZE = 4, 0.02


def prepare(base: Path) -> None:
    """Write all of these files below `base`, a ComfyUI base directory."""
    for folder in (base / "input", base / "input" / CLIPS):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE, folder)
    write_lora(base / "models" / "loras" / LORA)


def write_lora(path: Path) -> None:
    """Write a random LoRA for lgvi-mini's cross-attention, weak enough to still remove the star."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    (file,) = UNET.glob("*.safetensors")
    with safe_open(file, "pt") as unet:
        names = [name for name in unet.keys() if name.endswith("attn2.to_q.weight")]  # noqa: SIM118
        for name in names:
            rows, columns = unet.get_slice(name).get_shape()
            key = f"diffusion_model.{name.removesuffix('.weight')}"
            down = torch.randn(RANK, columns, generator=generator)
            up = torch.randn(rows, RANK, generator=generator)
            weights[f"{key}.lora_A.weight"] = SIZE * down
            weights[f"{key}.lora_B.weight"] = SIZE * up
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, {"description": json.dumps("random, for tests")})
