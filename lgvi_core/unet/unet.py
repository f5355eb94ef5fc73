"""The inflated U-Net of LGVI with its mask decoder (paper Sec. 4.1, Eq. 2 and Fig. 5).

Parameter names are those of the released checkpoint. Convolutions treat frames as the batch; the
norms of ResNet blocks span all frames of a video; each video has one text sequence.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import UNetConfig
from .attention import KeyValue, scaled_dot_product_attention
from .blocks import DownBlock, MidBlock, UpBlock, video_group_norm
from .layers import AttentionFunction, Layers
from .mask_decoder import MaskDecoder
from .transformer import Text, Transformer

__all__ = ["InflatedUNet", "UNetConfig", "UNetOutput", "VideoConditions"]


class UNetOutput(NamedTuple):
    """Predictions of the U-Net for one step."""

    noise_pred: Tensor
    """Noise epsilon [b, 4, f, h, w], or v where the scheduler's config says so."""
    mask_logits: Tensor | None
    """Mask [b, 1, f, h, w] at latent size before the sigmoid; None without a mask decoder."""


class VideoConditions(NamedTuple):
    """Parts of the condition and the text that are the same in every denoising step."""

    condition: Tensor
    """Conv_x(c_x) [(b f), c, h, w]; c_x itself where one 8-channel convolution takes both."""
    text: Tensor
    """Text features [b, n, d]."""
    key_values: tuple[KeyValue | None, ...]
    """The text's keys and values in every transformer; None where they depend on the frames."""


class InflatedUNet(nn.Module):
    """Stable Diffusion's U-Net inflated to video, conditioned on the source video's latents."""

    def __init__(
        self,
        config: UNetConfig,
        operations: Any = nn,
        attention: AttentionFunction = scaled_dot_product_attention,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """Build the network in `dtype` on `device`.

        `operations` is the namespace that makes every layer with weights; `attention` computes
        all attention.
        """
        super().__init__()
        layers = Layers(operations, attention, dtype, device)
        self.config = config
        widths, heads = config.block_out_channels, config.heads
        time_dim = widths[0] * 4

        self.conv_in = layers.conv2d(config.in_channels, widths[0], 3)
        self.condition_conv_in: nn.Module | None = None
        if config.in_channels == 4:
            self.condition_conv_in = layers.conv2d(4, widths[0], 3)
        self.time_embedding = TimeEmbedding(widths[0], time_dim, layers)

        self.down_blocks = nn.ModuleList()
        skips = [widths[0]]
        for level, (name, width) in enumerate(zip(config.down_block_types, widths, strict=True)):
            last = level == len(widths) - 1
            channels = [(skips[-1], width)] + [(width, width)] * (config.layers_per_block - 1)
            level_heads = heads[level] if name.startswith("CrossAttn") else None
            self.down_blocks.append(
                DownBlock(channels, level_heads, time_dim, config, layers, downsample=not last)
            )
            skips += [width] * (config.layers_per_block + (not last))

        self.mid_block = MidBlock(widths[-1], heads[-1], time_dim, config, layers)

        self.up_blocks = nn.ModuleList()
        previous, feature_channels = widths[-1], []
        for level, name in zip(reversed(range(len(widths))), config.up_block_types, strict=True):
            width, channels = widths[level], []
            for _ in range(config.layers_per_block + 1):
                channels.append((previous + skips.pop(), width))
                previous = width
            level_heads = heads[level] if name.startswith("CrossAttn") else None
            self.up_blocks.append(
                UpBlock(channels, level_heads, time_dim, config, layers, upsample=level > 0)
            )
            if level_heads is not None:
                feature_channels.append(width)

        self.conv_norm_out = layers.group_norm(config.norm_num_groups, widths[0], config.norm_eps)
        self.conv_out = layers.conv2d(widths[0], config.out_channels, 3)
        self.feature_channels = tuple(feature_channels)
        self.mask_decoder: MaskDecoder | None = None
        if config.mask_decoder_type is not None:
            self.mask_decoder = MaskDecoder(
                feature_channels, config.mask_decoder_channels, config.mask_decoder_groups, layers
            )

    def initialise_new_parts(self) -> None:
        """Zero the layers that inflation adds, so that training starts from the 2-D function.

        Only a network that is about to be trained needs it; loading weights overwrites these
        layers.
        """
        zero: list[Any] = [] if self.condition_conv_in is None else [self.condition_conv_in]
        for transformer in self.transformers():
            block: Any = transformer.transformer_blocks[0]
            added = (block.attn_temp, block.lan_cross_attn, block.cross_frame_attn)
            zero += [part.to_out[0] for part in added if part is not None]
        for layer in zero:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def enable_gradient_checkpointing(self) -> None:
        """Recompute the blocks' activations in the backward pass instead of keeping them."""
        for block in (*self.down_blocks, *self.up_blocks):
            block.gradient_checkpointing = True

    def transformers(self) -> Iterator[Transformer]:
        """Yield all transformers in the order of the forward pass."""
        for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
            if block.attentions is not None:
                yield from block.attentions

    def prepare_condition(self, c_x: Tensor) -> Tensor:
        """Return Conv_x(c_x) [(b f), c, h, w] of source latents `c_x` [b, 4, f, h, w] (Eq. 2)."""
        condition = rearrange(c_x, "b c f h w -> (b f) c h w")
        return condition if self.condition_conv_in is None else self.condition_conv_in(condition)

    def prepare_text(self, text: Tensor) -> tuple[KeyValue | None, ...]:
        """Return the keys and values of `text` [b, n, d] in every transformer."""
        return tuple(layer.text_key_value(text) for layer in self.transformers())

    def prepare(self, text: Tensor, c_x: Tensor) -> VideoConditions:
        """Compute the parts of `text` [b, n, d] and `c_x` [b, 4, f, h, w] that all steps share."""
        return VideoConditions(self.prepare_condition(c_x), text, self.prepare_text(text))

    def denoise(
        self, z_t: Tensor, t: Tensor | float, conditions: VideoConditions
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict the noise of one step, without the mask.

        `z_t` is [b, 4, f, h, w]; `t` is [b] or a scalar, 0 to 999, fractions allowed. Returns
        noise_pred [b, 4, f, h, w] and the features of the up blocks with text attention, from
        which the mask decoder predicts the mask.
        """
        t = torch.as_tensor(t, device=z_t.device)
        frames = z_t.shape[2]
        if self.config.center_input_sample:
            z_t = 2 * z_t - 1
        x = rearrange(z_t, "b c f h w -> (b f) c h w")
        if self.condition_conv_in is not None:
            x = self.conv_in(x) + conditions.condition
        else:
            x = self.conv_in(torch.cat([x, conditions.condition], dim=1))

        time = self.time_embedding(self._time_frequencies(t.expand(z_t.shape[0])).to(z_t.dtype))
        texts = iter([Text(conditions.text, kv) for kv in conditions.key_values])
        skips = [x]
        for block in self.down_blocks:
            x, states = block(x, time, texts, frames)
            skips += states
        x = self.mid_block(x, time, texts, frames)
        features = []
        for block in self.up_blocks:
            x = block(x, skips, time, texts, frames)
            if block.attentions is not None:
                features.append(x)
        x = self.conv_out(F.silu(video_group_norm(self.conv_norm_out, x, frames)))
        return rearrange(x, "(b f) c h w -> b c f h w", f=frames), features

    def forward(self, z_t: Tensor, t: Tensor | float, text: Tensor, c_x: Tensor) -> UNetOutput:
        """Predict the noise and the mask of one step.

        `z_t` are the noised target's latents and `c_x` the source's, both [b, 4, f, h, w] and
        scaled as in training (times 0.18215 for Stable Diffusion's VAE); `text` is [b, n, d];
        `t` is [b] or a scalar, 0 to 999.
        """
        noise_pred, features = self.denoise(z_t, t, self.prepare(text, c_x))
        if self.mask_decoder is None:
            return UNetOutput(noise_pred, None)
        return UNetOutput(noise_pred, self.mask_decoder(features, z_t.shape[2]))

    def _time_frequencies(self, t: Tensor) -> Tensor:
        """Return the sinusoidal embedding [b, c] of the timestep `t` [b], in float32."""
        half = self.config.block_out_channels[0] // 2
        exponent = torch.arange(half, dtype=torch.float32, device=t.device)
        exponent = exponent * (-math.log(10000) / (half - self.config.freq_shift))
        angles = t.float()[:, None] * exponent.exp()[None]
        sine, cosine = angles.sin(), angles.cos()
        return torch.cat([cosine, sine] if self.config.flip_sin_to_cos else [sine, cosine], dim=-1)


class TimeEmbedding(nn.Module):
    """Two linear layers with a SiLU between them."""

    def __init__(self, dim: int, time_dim: int, layers: Layers) -> None:
        super().__init__()
        self.linear_1 = layers.linear(dim, time_dim)
        self.linear_2 = layers.linear(time_dim, time_dim)

    def forward(self, frequencies: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(frequencies)))
