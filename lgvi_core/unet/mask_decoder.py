"""The mask decoder on the U-Net's up-block features (paper Sec. 4.1, Fig. 5)."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import video_group_norm
from .layers import Layers


class MaskStage(nn.Module):
    """Two spatial convolutions and a temporal one, each with GroupNorm and ReLU."""

    def __init__(self, in_channels: int, channels: int, groups: int, layers: Layers) -> None:
        super().__init__()
        self.conv1 = layers.conv2d(in_channels, channels, 3, bias=False)
        self.conv2 = layers.conv2d(channels, channels, 3, bias=False)
        self.conv_temp = layers.conv1d(channels, channels, 3, bias=False)
        self.norm1 = layers.group_norm(groups, channels)
        self.norm2 = layers.group_norm(groups, channels)
        self.norm_temp = layers.group_norm(groups, channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        x = F.relu(video_group_norm(self.norm1, self.conv1(x), frames))
        x = F.relu(video_group_norm(self.norm2, self.conv2(x), frames))
        height, width = x.shape[-2:]
        per_pixel = rearrange(x, "(b f) c h w -> (b h w) c f", f=frames)
        per_pixel = F.relu(self.norm_temp(self.conv_temp(per_pixel)))
        return rearrange(per_pixel, "(b h w) c f -> (b f) c h w", h=height, w=width)


class MaskDecoder(nn.Module):
    """Mask decoder from coarse to fine over the features of up blocks with text attention."""

    def __init__(
        self, feature_channels: Sequence[int], channels: int, groups: int, layers: Layers
    ) -> None:
        super().__init__()
        self.projects = nn.ModuleList(
            [
                MaskStage(c + (channels if i else 0), channels, groups, layers)
                for i, c in enumerate(feature_channels)
            ]
        )
        self.final_conv = layers.conv2d(channels, 1, 1)

    def forward(self, features: Sequence[Tensor], frames: int) -> Tensor:
        """Return logits [b, 1, f, h, w] of `features` [(b f), c_i, h_i, w_i], coarsest first."""
        x = self.projects[0](features[0], frames)
        for stage, feature in zip(self.projects[1:], features[1:], strict=True):
            x = F.interpolate(x, size=feature.shape[-2:], mode="nearest")
            x = stage(torch.cat([x, feature], dim=1), frames)
        return rearrange(self.final_conv(x), "(b f) c h w -> b c f h w", f=frames)
