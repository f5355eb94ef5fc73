"""Attention layers of the inflated U-Net (paper Sec. 4.1, Eq. 1)."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Layers

KeyValue = tuple[Tensor, Tensor]
"""Keys and values [b, m, c] of an attention layer."""


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Compute multi-head attention with PyTorch's fused kernel; see `AttentionFunction`."""
    query, key, value = (rearrange(x, "b n (h c) -> b h n c", h=heads) for x in (query, key, value))
    return rearrange(F.scaled_dot_product_attention(query, key, value), "b h n c -> b n (h c)")


def matmul_attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Compute multi-head attention with two products: faster on a CPU for short sequences."""
    query, key, value = (
        rearrange(x, "b n (h c) -> (b h) n c", h=heads) for x in (query, key, value)
    )
    scores = torch.bmm(query * query.shape[-1] ** -0.5, key.transpose(1, 2))
    return rearrange(torch.bmm(scores.softmax(-1), value), "(b h) n c -> b n (h c)", h=heads)


class Attention(nn.Module):
    """Attention layer around the injected attention function, with diffusers' parameter names."""

    def __init__(
        self,
        dim: int,
        heads: int,
        layers: Layers,
        *,
        inner_dim: int | None = None,
        context_dim: int | None = None,
        upcast: bool = False,
        scale_scores: bool = True,
    ) -> None:
        """Make a layer that attends from `dim` channels to a context of `context_dim`, or of `dim`.

        `scale_scores=False` omits the division by the square root of the head size; `upcast`
        computes the attention in float32.
        """
        super().__init__()
        inner_dim = inner_dim or dim
        context_dim = context_dim or dim
        self.heads = heads
        self.query_gain = 1.0 if scale_scores else (inner_dim // heads) ** 0.5
        self.upcast = upcast
        self.attention = layers.attention
        self.to_q = layers.linear(dim, inner_dim, bias=False)
        self.to_k = layers.linear(context_dim, inner_dim, bias=False)
        self.to_v = layers.linear(context_dim, inner_dim, bias=False)
        self.to_out = nn.ModuleList([layers.linear(inner_dim, dim)])

    def key_value(self, context: Tensor) -> KeyValue:
        """Return keys and values [b, m, inner_dim] of `context` [b, m, context_dim]."""
        return self.to_k(context), self.to_v(context)

    def forward(self, x: Tensor, key_value: KeyValue | None = None) -> Tensor:
        """Attend from `x` [b, n, dim] to `key_value`, or to `x` itself; returns [b, n, dim]."""
        query = self.to_q(x)
        if self.query_gain != 1.0:
            query = query * self.query_gain
        key, value = self.key_value(x) if key_value is None else key_value
        if self.upcast:
            attended = self.attention(query.float(), key.float(), value.float(), self.heads)
            return self.to_out[0](attended.to(query.dtype))
        return self.to_out[0](self.attention(query, key, value, self.heads))


class GEGLU(nn.Module):
    """Gated linear unit with a GELU gate."""

    def __init__(self, dim: int, inner_dim: int, layers: Layers) -> None:
        super().__init__()
        self.proj = layers.linear(dim, inner_dim * 2)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    """Feed-forward layer: GEGLU to four times the width and back.

    The identity at index 1 stands in for diffusers' dropout, so that parameter names agree.
    """

    def __init__(self, dim: int, layers: Layers) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            [GEGLU(dim, dim * 4, layers), nn.Identity(), layers.linear(dim * 4, dim)]
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.net:
            x = layer(x)
        return x
