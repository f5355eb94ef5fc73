"""Measure the figures of speed and memory that the documentation quotes.

    COMFYUI_PATH=... python -m tools.benchmark

Times are ratios of two variants, measured alternately in one run. Memory is the peak of a separate
process for each number of frames.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import torch

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL, load_checkpoint
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.settings import SamplingSettings

from .comfyui.pack import load_pack
from .paths import ROOT

WINDOW = 24


@torch.inference_mode()
def prepared_ratio(rounds: int = 5) -> float:
    """Time of a denoising step that prepares text and condition anew, over one that reuses them."""
    unet = LGVIPipeline.from_checkpoint(BUNDLED_MODEL).unet
    z_t, c_x = torch.randn(2, 1, 4, 8, 12, 20)
    text, t = torch.randn(1, 77, unet.config.cross_attention_dim), torch.tensor(500)
    prepared = unet.prepare(text, c_x)
    anew = once = 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        unet.denoise(z_t, t, unet.prepare(text, c_x))
        middle = time.perf_counter()
        unet.denoise(z_t, t, prepared)
        anew, once = anew + middle - start, once + time.perf_counter() - middle
    return anew / once


def peak_memory(frames: int) -> float:
    """Peak resident memory in MB of a process that samples `frames` frames in ComfyUI."""
    command = [sys.executable, "-m", "tools.benchmark", "--frames", str(frames)]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, help="(used by itself) sample so many frames")
    args = parser.parse_args()
    if args.frames:
        sample_in_windows(args.frames)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print(f"a step with and without preparation: {prepared_ratio():.3f}")
    one, ten = peak_memory(WINDOW), peak_memory(10 * WINDOW)
    print(f"peak memory of {WINDOW} and {10 * WINDOW} frames: {one:.0f} and {ten:.0f} MB")


if __name__ == "__main__":
    main()
