"""A small random U-Net for pictures in a checkpoint of diffusers' layout: a start of training."""

import shutil
from pathlib import Path

import diffusers
import torch


def write_image_model(folder: Path, tiny_folder: Path, channels: int = 8) -> Path:
    """Write Stable Diffusion's layout (4 channels) or InstructPix2Pix's (8); return its folder."""
    shutil.copytree(tiny_folder, folder)
    shutil.rmtree(folder / "unet")
    torch.manual_seed(1)
    diffusers.UNet2DConditionModel(
        in_channels=channels,
        out_channels=4,
        block_out_channels=(16, 32),
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=2,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")
    return folder
