"""Residual, down, middle and up blocks of the U-Net.

Frames are the batch: tensors are [(b f), c, h, w].
"""

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..config import UNetConfig
from .layers import Layers
from .transformer import Text, Transformer


def video_group_norm(norm: nn.Module, x: Tensor, frames: int) -> Tensor:
    """Apply GroupNorm with statistics over all `frames` of each video; `x` is [(b f), c, h, w]."""
    if frames == 1:
        return norm(x)
    clip = rearrange(x, "(b f) c h w -> b c f h w", f=frames)
    return rearrange(norm(clip), "b c f h w -> (b f) c h w")


class ResnetBlock(nn.Module):
    """Residual block: two convolutions, with the time embedding added between them.

    Its norms take their statistics over all frames of a video.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_dim: int,
        config: UNetConfig,
        layers: Layers,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        groups, eps = config.norm_num_groups, config.norm_eps
        self.scale = scale
        self.norm1 = layers.group_norm(groups, in_channels, eps)
        self.conv1 = layers.conv2d(in_channels, out_channels, 3)
        self.time_emb_proj = layers.linear(time_dim, out_channels)
        self.norm2 = layers.group_norm(groups, out_channels, eps)
        self.conv2 = layers.conv2d(out_channels, out_channels, 3)
        self.conv_shortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.conv_shortcut = layers.conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor, frames: int) -> Tensor:
        """Apply the block; `time` [b, time_dim] is the time embedding of each video."""
        residual = x if self.conv_shortcut is None else self.conv_shortcut(x)
        x = self.conv1(F.silu(video_group_norm(self.norm1, x, frames)))
        shift = self.time_emb_proj(F.silu(time)).repeat_interleave(frames, dim=0)
        x = x + shift[:, :, None, None]
        x = self.conv2(F.silu(video_group_norm(self.norm2, x, frames)))
        return (x + residual) / self.scale if self.scale != 1.0 else x + residual


class Downsample(nn.Module):
    """Convolution that halves height and width, rounding up."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv = layers.conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Nearest-neighbour upsampling to the size of the next skip connection, then a convolution."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv = layers.conv2d(channels, channels, 3)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class Block(nn.Module):
    """Sequence of ResNet blocks, each followed by a transformer unless `heads` is None.

    `channels` are the (input, output) channels of each ResNet block.
    """

    def __init__(
        self,
        channels: list[tuple[int, int]],
        heads: int | None,
        time_dim: int,
        config: UNetConfig,
        layers: Layers,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            [ResnetBlock(i, o, time_dim, config, layers) for i, o in channels]
        )
        self.gradient_checkpointing = False
        self.attentions: nn.ModuleList | None = None
        if heads is not None:
            self.attentions = nn.ModuleList(
                [Transformer(o, heads, config, layers, config.lan_cross_attn) for _, o in channels]
            )

    def layer(self, i: int, x: Tensor, time: Tensor, texts: Iterator[Text], frames: int) -> Tensor:
        """Apply ResNet block `i` and the transformer after it, which takes the next of `texts`."""
        text = None if self.attentions is None else next(texts)
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(self._layer, i, x, time, text, frames, use_reentrant=False)
        return self._layer(i, x, time, text, frames)

    def _layer(self, i: int, x: Tensor, time: Tensor, text: Text | None, frames: int) -> Tensor:
        x = self.resnets[i](x, time, frames)
        return x if self.attentions is None else self.attentions[i](x, text, frames)


class DownBlock(Block):
    """One level of the contracting path."""

    def __init__(
        self,
        channels: list[tuple[int, int]],
        heads: int | None,
        time_dim: int,
        config: UNetConfig,
        layers: Layers,
        *,
        downsample: bool,
    ) -> None:
        super().__init__(channels, heads, time_dim, config, layers)
        self.downsamplers: nn.ModuleList | None = None
        if downsample:
            self.downsamplers = nn.ModuleList([Downsample(channels[-1][1], layers)])

    def forward(
        self, x: Tensor, time: Tensor, texts: Iterator[Text], frames: int
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the block's output, and all states that an up block takes as skip connections."""
        skips = []
        for i in range(len(self.resnets)):
            x = self.layer(i, x, time, texts, frames)
            skips.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x, skips


class UpBlock(Block):
    """One level of the expanding path; its input `channels` include the skip connections."""

    def __init__(
        self,
        channels: list[tuple[int, int]],
        heads: int | None,
        time_dim: int,
        config: UNetConfig,
        layers: Layers,
        *,
        upsample: bool,
    ) -> None:
        super().__init__(channels, heads, time_dim, config, layers)
        self.upsamplers: nn.ModuleList | None = None
        if upsample:
            self.upsamplers = nn.ModuleList([Upsample(channels[-1][1], layers)])

    def forward(
        self, x: Tensor, skips: list[Tensor], time: Tensor, texts: Iterator[Text], frames: int
    ) -> Tensor:
        """Apply the block; it removes the skip connections of its level from the end of `skips`."""
        for i in range(len(self.resnets)):
            x = self.layer(i, torch.cat([x, skips.pop()], dim=1), time, texts, frames)
        return x if self.upsamplers is None else self.upsamplers[0](x, skips[-1].shape[-2:])


class MidBlock(nn.Module):
    """Middle block: ResNet block, transformer, ResNet block.

    As in the released model, its transformer never has `lan_cross_attn`.
    """

    def __init__(
        self, channels: int, heads: int, time_dim: int, config: UNetConfig, layers: Layers
    ) -> None:
        super().__init__()
        scale = config.mid_block_scale_factor
        self.resnets = nn.ModuleList(
            [ResnetBlock(channels, channels, time_dim, config, layers, scale) for _ in range(2)]
        )
        self.attentions = nn.ModuleList([Transformer(channels, heads, config, layers, False)])

    def forward(self, x: Tensor, time: Tensor, texts: Iterator[Text], frames: int) -> Tensor:
        x = self.resnets[0](x, time, frames)
        x = self.attentions[0](x, next(texts), frames)
        return self.resnets[1](x, time, frames)
