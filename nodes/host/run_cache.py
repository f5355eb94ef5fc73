"""Cache of the values that do not change between the steps of a sampling run."""

import collections
from collections.abc import Callable
from typing import Any

import torch
from comfy.patcher_extension import WrapperExecutor
from torch import Tensor

from ...lgvi_core.unet.unet import InflatedUNet, VideoConditions
from .checks import check_run
from .guidance import IDLE_KEY, idle_branches

RUN_KEY = "lgvi_run"
"""Key of ComfyUI's transformer_options under which the U-Net finds the run's cache."""
BRANCH_COUNT = 3
"""Number of conditionings in the guidance, which ComfyUI may evaluate one by one."""


class PreparedConditions:
    """Cache of the U-Net's prepared conditions for one sampling run.

    Inputs are compared by value, so a hit is exact however ComfyUI batches or splits the
    conditions.
    """

    def __init__(self, windows: bool) -> None:
        """Make an empty cache; `windows` says whether the run uses context windows.

        It then keeps a single condition, so that memory stays that of one window; the keys and
        values of the text are still reused.
        """
        self._conditions = RecentResults(1 if windows else BRANCH_COUNT)
        self._texts = RecentResults(BRANCH_COUNT)

    @torch.compiler.disable
    def get(self, unet: InflatedUNet, text: Tensor, c_x: Tensor) -> VideoConditions:
        """Return the prepared conditions of `text` [b, n, d] and `c_x` [b, 4, f, h, w]."""
        condition = self._conditions.get(c_x, unet.prepare_condition)
        return VideoConditions(condition, text, self._texts.get(text, unet.prepare_text))


class RecentResults:
    """Cache of the results for the last few different tensors."""

    def __init__(self, size: int) -> None:
        self._entries: collections.deque[tuple[Tensor, Any]] = collections.deque(maxlen=size)

    def get(self, key: Tensor, compute: Callable[[Tensor], Any]) -> Any:
        """Return the result for a tensor equal to `key`, computed where there is none yet."""
        for known, value in self._entries:
            if _same(known, key):
                return value
        value = compute(key)
        self._entries.append((key.clone(), value))
        return value


def prepare_run(executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Any:
    """Wrap a sampling run of ComfyUI: check it, give it a cache, and drop that at the end.

    Branches of the guidance that have weight zero are marked, for `skip_idle`.

    A run whose hooks change weights between steps gets none, because the text's keys change too.
    """
    guider = executor.class_obj
    check_run(guider)
    hooked = any("hooks" in cond for conds in guider.conds.values() for cond in conds)
    options = guider.model_options.setdefault("transformer_options", {})
    windows = "context_handler" in guider.model_options
    options[RUN_KEY] = None if hooked else PreparedConditions(windows)
    options[IDLE_KEY] = idle_branches(guider)
    try:
        return executor(*args, **kwargs)
    finally:
        options.pop(RUN_KEY, None)
        options.pop(IDLE_KEY, None)


def _same(a: Tensor, b: Tensor) -> bool:
    alike = a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
    return alike and torch.equal(a, b)
