"""What does not change between the steps of one sampling run, computed once per run."""

import collections
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...lgvi_core.unet.unet import InflatedUNet, VideoConditions

RUN_KEY = "lgvi_run"
"""Key of ComfyUI's transformer_options under which the U-Net finds the run's cache."""
BRANCHES = 3
"""Conditionings of the guidance, which ComfyUI may evaluate one by one."""


class PreparedConditions:
    """What does not change between the steps of one sampling run, computed once.

    Inputs are compared by value, so a hit is exact however ComfyUI batches or splits the
    conditions. With context windows one condition is kept, so that memory stays that of one
    window; the text's part still hits.
    """

    def __init__(self, windows: bool) -> None:
        self._conditions = RecentResults(1 if windows else BRANCHES)
        self._texts = RecentResults(BRANCHES)

    @torch.compiler.disable
    def get(self, unet: InflatedUNet, text: Tensor, c_x: Tensor) -> VideoConditions:
        """The prepared conditions of ``text`` [b, n, d] and ``c_x`` [b, 4, f, h, w]."""
        condition = self._conditions.get(c_x, unet.prepare_condition)
        return VideoConditions(condition, text, self._texts.get(text, unet.prepare_text))


class RecentResults:
    """The results for the last few different tensors."""

    def __init__(self, size: int) -> None:
        self._entries: collections.deque[tuple[Tensor, Any]] = collections.deque(maxlen=size)

    def get(self, key: Tensor, compute: Callable[[Tensor], Any]) -> Any:
        for known, value in self._entries:
            if _same(known, key):
                return value
        value = compute(key)
        self._entries.append((key.clone(), value))
        return value


def prepare_run(executor, *args, **kwargs):
    """Give one sampling run its cache, and drop it at the end.

    Not where hooks change weights on the way, because the text's keys would change with them.
    """
    guider = executor.class_obj
    hooked = any("hooks" in cond for conds in guider.conds.values() for cond in conds)
    options = guider.model_options.setdefault("transformer_options", {})
    windows = "context_handler" in guider.model_options
    options[RUN_KEY] = None if hooked else PreparedConditions(windows)
    try:
        return executor(*args, **kwargs)
    finally:
        options.pop(RUN_KEY, None)


def _same(a: Tensor, b: Tensor) -> bool:
    alike = a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
    return alike and torch.equal(a, b)
