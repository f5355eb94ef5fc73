"""The turns that chat nodes keep between runs, as long as ComfyUI runs."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...lgvi_core.chat.conversation import Turn

MAX_CONVERSATIONS = 64


@dataclass(frozen=True)
class Place:
    """Where a conversation goes on: one page's node in one workflow, and a clip.

    Another clip starts anew.
    """

    client: str | None
    workflow: str | None
    node: str | None
    clip: str

    def is_at(self, other: "Place") -> bool:
        """Whether both are the same node's."""
        mine = (self.client, self.workflow, self.node)
        return mine == (other.client, other.workflow, other.node)


_kept: OrderedDict[Place, tuple[Turn, ...]] = OrderedDict()
_forgotten = 0
"""How many conversations were forgotten so far."""


def place_of(client: str | None, extra_pnginfo: Any, node_id: str | None, frames: Tensor) -> Place:
    """`extra_pnginfo` holds the workflow, which pages send and other clients may not."""
    workflow = (extra_pnginfo or {}).get("workflow") or {}
    # Every pixel of a few frames: enough to tell clips apart, and quick for long ones.
    shown = frames[:: max(1, len(frames) // 4)][:5].contiguous()
    digest = hashlib.sha256(shown.cpu().numpy().tobytes()).hexdigest()
    return Place(client, workflow.get("id"), node_id, f"{tuple(frames.shape)} {digest}")


def recall(place: Place, request: str) -> tuple[Turn, ...]:
    """The turns so far; a request repeated is the last turn tried again."""
    turns = _kept.get(place, ())
    return turns[:-1] if turns and turns[-1].request == request else turns


def keep(place: Place, turns: Sequence[Turn]) -> None:
    _kept[place] = tuple(turns)
    _kept.move_to_end(place)
    while len(_kept) > MAX_CONVERSATIONS:
        _kept.popitem(last=False)


def forget(place: Place) -> None:
    """Of this node, about all clips."""
    global _forgotten
    for other in [other for other in _kept if other.is_at(place)]:
        del _kept[other]
        _forgotten += 1


def fingerprint(request: str, remember: bool) -> str:
    """Changes when a node has to run again for what is remembered, or to forget it.

    Of all nodes together: ComfyUI 0.3.75 does not say here which one asks.
    """
    if not remember:
        return "to forget" if _kept else ""
    recalled = {place: recall(place, request) for place in _kept}
    known = sorted((repr(place), repr(turns)) for place, turns in recalled.items() if turns)
    return f"{_forgotten} {hashlib.sha256(repr(known).encode()).hexdigest()}"
