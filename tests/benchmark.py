"""Figures for the documentation: ``python tests/benchmark.py``, with COMFYUI_PATH set.

Times are ratios of two ways measured alternately in one run; memory is the peak of a process of
its own for each length of clip.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

import torch
from pack import load_pack

from lgvi_core.checkpoint import BUNDLED_MODEL
from lgvi_core.pipeline import LGVIPipeline

WINDOW = 24


@torch.inference_mode()
def prepared_ratio(rounds: int = 5) -> float:
    """Time of a step with everything computed anew, over one with what is prepared per clip."""
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
    """Peak resident MB of a process that samples ``frames`` frames in windows in ComfyUI."""
    command = [sys.executable, __file__, "--frames", str(frames)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def sample_in_windows(frames: int) -> None:
    load_pack(Path(os.environ["COMFYUI_PATH"]))
    checkpoint = import_module("lgvi_pack.lgvi_core.checkpoint").load_checkpoint(BUNDLED_MODEL)
    model = import_module("lgvi_pack.nodes.comfy_checkpoint").create(checkpoint, "auto")[0]
    model = import_module("lgvi_pack.nodes.window_handler").with_windows(model, WINDOW, 8)
    latents = torch.zeros(frames, 4, 12, 20)
    text = torch.zeros(1, 77, checkpoint.unet_config.cross_attention_dim)
    clip = [[text, {"concat_latent_image": latents}]]
    import_module("lgvi_pack.nodes.sampling").sample_with_mask(
        model,
        (clip, clip, [[text, {}]]),
        {"samples": latents},
        0,
        2,
        (2.0, 1.5),
        "euler",
        "normal",
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
