"""Measure the memory that one pass of the official U-Net needs beside its weights, without a GPU.

    python -m tools.activation_memory

The pass, with its mask, is traced on tensors without content; what it allocates and frees is added
up by PyTorch's memory tracker. It prints the peaks in MiB, and the factor that makes ComfyUI's
estimate equal to each: ComfyUI takes 0.01 MiB per byte of a value, cell of the latent, and factor.
"""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from lgvi_core.unet.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.unet.layers import AttentionFunction
from lgvi_core.unet.unet import InflatedUNet

from .official import OFFICIAL_UNET

MIB = 1024 * 1024
SIZES = ((16, 256, 384), (24, 320, 512), (24, 512, 768))
"""Frames, height and width in pixels."""
DTYPE = torch.float16


def peak(frames: int, height: int, width: int, attention: AttentionFunction) -> float:
    """Peak in MiB of what a pass over one branch allocates."""
    with FakeTensorMode(), torch.inference_mode():
        unet = InflatedUNet(OFFICIAL_UNET, attention=attention, dtype=DTYPE)
        weights = sum(p.numel() * p.element_size() for p in unet.parameters())
        z_t, c_x = torch.empty(2, 1, 4, frames, height // 8, width // 8, dtype=DTYPE)
        text = torch.empty(1, 77, OFFICIAL_UNET.cross_attention_dim, dtype=DTYPE)
        tracker = MemTracker()
        with tracker:
            unet(z_t, torch.tensor(500), text, c_x)
        total = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    return (total - weights) / MIB


def main() -> None:
    for frames, height, width in SIZES:
        area = frames * height * width / 64
        line = f"{frames} x {width} x {height}:"
        for name, attention in (
            ("fused", scaled_dot_product_attention),
            ("two products", matmul_attention),
        ):
            found = peak(frames, height, width, attention)
            line += f" {name} {found:.0f} MiB, factor {found / (area * 2 * 0.01):.3f};"
        print(line, flush=True)


if __name__ == "__main__":
    main()
