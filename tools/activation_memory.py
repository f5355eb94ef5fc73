"""Measure the memory that one pass of the official U-Net needs beside its weights, without a GPU.

    python -m tools.activation_memory

The pass is traced on tensors without content; what is allocated and freed is added up, as PyTorch's
memory tracker does it. Attention is fused: the scores of all tokens are never held at once. It
prints the peak for each size, and what ComfyUI is told to reserve for it by the factor of
nodes/host/model.py.
"""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from lgvi_core.checkpoint.released import released_unet_config
from lgvi_core.unet.unet import InflatedUNet

MIB = 1024 * 1024
SIZES = ((16, 256, 384), (24, 320, 512), (24, 512, 768))
"""Frames, height and width in pixels."""


def peak(frames: int, height: int, width: int, dtype: torch.dtype = torch.float16) -> float:
    """Peak in MiB of what a pass over so many frames allocates, with one branch."""
    with FakeTensorMode(), torch.inference_mode():
        unet = InflatedUNet(released_unet_config(), dtype=dtype)
        z_t, c_x = torch.empty(2, 1, 4, frames, height // 8, width // 8, dtype=dtype)
        text = torch.empty(1, 77, unet.config.cross_attention_dim, dtype=dtype)
        conditions = unet.prepare(text, c_x)
        tracker = MemTracker()
        with tracker:
            unet.denoise(z_t, torch.tensor(500), conditions)
        snapshot = tracker.get_tracker_snapshot("peak")
        return snapshot[torch.device("cpu")]["Total"] / MIB


def main() -> None:
    for size in SIZES:
        frames, height, width = size
        print(f"{frames} x {width} x {height}: {peak(*size):.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
