"""Peak memory of a process that samples so many frames in context windows of ComfyUI."""

import os
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import torch

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL, load_checkpoint
from lgvi_core.settings import SamplingSettings

from ..comfyui.pack import load_pack
from ..paths import ROOT

WINDOW = 24


def peak_memory(frames: int) -> float:
    """Peak resident memory in MB of a process that samples `frames` frames in ComfyUI."""
    command = [sys.executable, "-m", "tools.benchmarks.memory", str(frames)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def sample_in_windows(frames: int) -> None:
    """Sample so many frames by the bundled model in context windows of ComfyUI."""
    load_pack(Path(os.environ["COMFYUI_PATH"]))
    checkpoint = load_checkpoint(BUNDLED_MODEL)
    model = import_module("lgvi_pack.nodes.host.checkpoint").create(checkpoint, "auto")[0]
    model = import_module("lgvi_pack.nodes.host.windows").with_windows(model, WINDOW, 8)
    latents = torch.zeros(frames, 4, 12, 20)
    text = torch.zeros(1, 77, checkpoint.unet_config.cross_attention_dim)
    clip = [[text, {"concat_latent_image": latents}]]
    import_module("lgvi_pack.nodes.host.sampling").sample_with_mask(
        model,
        (clip, clip, [[text, {}]]),
        {"samples": latents},
        SamplingSettings(steps=2, text_scale=2.0),
        None,
    )


if __name__ == "__main__":
    sample_in_windows(int(sys.argv[1]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
