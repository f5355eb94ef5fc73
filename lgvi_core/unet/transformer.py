"""The inflated transformer: spatial, text and temporal attention, feed-forward (paper Fig. 5)."""

from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from ..config import UNetConfig
from .attention import Attention, FeedForward, KeyValue
from .layers import Layers


class Text(NamedTuple):
    """Text input of one transformer: features [b, n, d], and keys and values if precomputed."""

    features: Tensor
    key_value: KeyValue | None


class TransformerBlock(nn.Module):
    """Transformer block for tokens [(b f), d, c], with its attentions in the released order.

    The optional parts are variants of the released code: `lan_cross_attn` first lets the text
    attend to the frame; `cross_frame_attn` attends to the previous or the first frame at the end.
    """

    def __init__(
        self, dim: int, heads: int, config: UNetConfig, layers: Layers, lan_cross_attn: bool
    ) -> None:
        super().__init__()
        text_dim, upcast = config.cross_attention_dim, config.upcast_attention
        self.cross_frame_type = config.cross_frame_type
        self.norm1 = layers.layer_norm(dim)
        self.attn1 = Attention(dim, heads, layers, upcast=upcast)
        self.lan_cross_attn: Attention | None = None
        if lan_cross_attn:
            self.lan_norm = layers.layer_norm(text_dim)
            self.lan_cross_attn = Attention(
                text_dim, heads, layers, inner_dim=dim, context_dim=dim, upcast=upcast
            )
        self.norm2 = layers.layer_norm(dim)
        self.attn2 = Attention(dim, heads, layers, context_dim=text_dim, upcast=upcast)
        self.attn_temp: Attention | None = None
        if config.temp_attn:
            self.norm_temp = layers.layer_norm(dim)
            self.attn_temp = Attention(dim, heads, layers, upcast=upcast)
        self.norm3 = layers.layer_norm(dim)
        self.ff = FeedForward(dim, layers)
        self.cross_frame_attn: Attention | None = None
        if config.cross_frame_type is not None:
            self.norm_cross_frame = layers.layer_norm(dim)
            # The released layer does not scale the scores, so its weights expect unscaled ones.
            self.cross_frame_attn = Attention(dim, heads, layers, upcast=upcast, scale_scores=False)

    def forward(self, x: Tensor, text: Text, frames: int) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        key_value = self._text_key_value(x, text, frames)
        x = x + self._text_attention(self.norm2(x), key_value, frames)
        if self.attn_temp is not None:
            tokens = x.shape[1]
            x = rearrange(x, "(b f) d c -> (b d) f c", f=frames)
            x = x + self.attn_temp(self.norm_temp(x))
            x = rearrange(x, "(b d) f c -> (b f) d c", d=tokens)
        x = x + self.ff(self.norm3(x))
        if self.cross_frame_attn is not None:
            normed = self.norm_cross_frame(x)
            reference = self.cross_frame_attn.key_value(self._reference_frames(normed, frames))
            x = x + self.cross_frame_attn(normed, reference)
        return x

    def _text_key_value(self, x: Tensor, text: Text, frames: int) -> KeyValue:
        """Return the text's keys and values: per video, or per frame with `lan_cross_attn`."""
        if self.lan_cross_attn is None:
            return text.key_value or self.attn2.key_value(text.features)
        features = repeat(text.features, "b n c -> (b f) n c", f=frames)
        looked = self.lan_cross_attn(self.lan_norm(features), self.lan_cross_attn.key_value(x))
        return self.attn2.key_value(features + looked)

    def _text_attention(self, x: Tensor, key_value: KeyValue, frames: int) -> Tensor:
        if self.lan_cross_attn is not None:
            return self.attn2(x, key_value)
        # All frames of a video share one text, so their queries share its keys without a copy.
        per_clip = rearrange(x, "(b f) d c -> b (f d) c", f=frames)
        return rearrange(self.attn2(per_clip, key_value), "b (f d) c -> (b f) d c", f=frames)

    def _reference_frames(self, x: Tensor, frames: int) -> Tensor:
        """Return the frame that each frame attends to by `cross_frame_type`, [(b f), d, c]."""
        per_clip = rearrange(x, "(b f) d c -> b f d c", f=frames)
        first = per_clip[:, :1]
        if self.cross_frame_type == "first":
            reference = first.expand_as(per_clip)
        else:
            reference = torch.cat([first, per_clip[:, :-1]], dim=1)
        return rearrange(reference, "b f d c -> (b f) d c")


class Transformer(nn.Module):
    """Transformer block for frames [(b f), c, h, w], with projections and a residual around it."""

    def __init__(
        self, dim: int, heads: int, config: UNetConfig, layers: Layers, lan_cross_attn: bool
    ) -> None:
        super().__init__()
        self.linear = config.use_linear_projection
        self.norm = layers.group_norm(config.norm_num_groups, dim, eps=1e-6)
        block = TransformerBlock(dim, heads, config, layers, lan_cross_attn)
        self.transformer_blocks = nn.ModuleList([block])
        if self.linear:
            self.proj_in, self.proj_out = layers.linear(dim, dim), layers.linear(dim, dim)
        else:
            self.proj_in, self.proj_out = layers.conv2d(dim, dim, 1), layers.conv2d(dim, dim, 1)

    def text_key_value(self, text: Tensor) -> KeyValue | None:
        """Return keys and values of `text` [b, n, d]; None where they depend on the frames."""
        block = self.transformer_blocks[0]
        return None if block.lan_cross_attn is not None else block.attn2.key_value(text)

    def forward(self, x: Tensor, text: Text, frames: int) -> Tensor:
        height, width = x.shape[-2:]
        residual = x
        x = self.norm(x)
        if self.linear:
            x = self.proj_in(rearrange(x, "b c h w -> b (h w) c"))
        else:
            x = rearrange(self.proj_in(x), "b c h w -> b (h w) c")
        x = self.transformer_blocks[0](x, text, frames)
        if self.linear:
            x = rearrange(self.proj_out(x), "b (h w) c -> b c h w", h=height, w=width)
        else:
            x = self.proj_out(rearrange(x, "b (h w) c -> b c h w", h=height, w=width))
        return x + residual
