"""Factory of all layers with weights, which takes their classes from an injected namespace."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

AttentionFunction = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Multi-head attention: (query [b, n, c], key [b, m, c], value [b, m, c], heads) -> [b, n, c]."""


@dataclass(frozen=True)
class Layers:
    """Factory of layers from `operations`: `torch.nn`, or a host's namespace that casts weights."""

    operations: Any
    attention: AttentionFunction
    dtype: torch.dtype | None = None
    device: torch.device | str | None = None
    _factory: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_factory", {"dtype": self.dtype, "device": self.device})

    def linear(self, inputs: int, outputs: int, bias: bool = True) -> nn.Module:
        return self.operations.Linear(inputs, outputs, bias=bias, **self._factory)

    def conv2d(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        """Make a convolution that keeps height and width unless `options` say otherwise."""
        options = {"padding": kernel // 2, **options, **self._factory}
        return self.operations.Conv2d(inputs, outputs, kernel, **options)

    def conv1d(self, inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Module:
        options = {"padding": kernel // 2, **options, **self._factory}
        return self.operations.Conv1d(inputs, outputs, kernel, **options)

    def group_norm(self, groups: int, channels: int, eps: float = 1e-5) -> nn.Module:
        return self.operations.GroupNorm(groups, channels, eps=eps, **self._factory)

    def layer_norm(self, dim: int) -> nn.Module:
        return self.operations.LayerNorm(dim, **self._factory)
