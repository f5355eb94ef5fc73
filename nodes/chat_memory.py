"""The turns that chat nodes keep between runs, as long as ComfyUI runs."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..lgvi_core.chat.conversation import Turn

MAX_CONVERSATIONS = 64

_kept: OrderedDict[str, tuple[Turn, ...]] = OrderedDict()


def key_of(node_id: str | None, extra_pnginfo: Any, frames: Tensor) -> str:
    """One conversation per workflow, node and clip: another clip starts anew."""
    workflow = (extra_pnginfo or {}).get("workflow") or {}
    # Every pixel of a few frames: enough to tell clips apart, and quick for long ones.
    shown = frames[:: max(1, len(frames) // 4)][:5].contiguous()
    digest = hashlib.sha256(shown.cpu().numpy().tobytes()).hexdigest()
    return f"{workflow.get('id')} {node_id} {tuple(frames.shape)} {digest}"


def recall(key: str, request: str) -> tuple[Turn, ...]:
    """The turns so far; a request repeated is the last turn tried again."""
    turns = _kept.get(key, ())
    return turns[:-1] if turns and turns[-1].request == request else turns


def keep(key: str, turns: Sequence[Turn]) -> None:
    _kept[key] = tuple(turns)
    _kept.move_to_end(key)
    while len(_kept) > MAX_CONVERSATIONS:
        _kept.popitem(last=False)


def forget(key: str) -> None:
    _kept.pop(key, None)
