"""The turns that chat nodes remember between runs, until ComfyUI is closed."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...lgvi_core.chat.conversation import Turn

MAX_CONVERSATIONS = 64


@dataclass(frozen=True)
class ConversationKey:
    """Identity of a conversation: one node of one workflow in one browser page, about one video.

    Another video starts a new conversation.
    """

    client: str | None
    """Id of the page or program that asks for the run."""
    workflow: str | None
    """Id of the workflow; None where the client does not send the workflow."""
    node: str | None
    """Id of the node in the workflow."""
    clip: str
    """Shape and digest of the frames."""

    def is_at(self, other: "ConversationKey") -> bool:
        """Return whether both conversations belong to the same node."""
        mine = (self.client, self.workflow, self.node)
        return mine == (other.client, other.workflow, other.node)


_conversations: OrderedDict[ConversationKey, tuple[Turn, ...]] = OrderedDict()
_forgotten = 0
"""Number of conversations forgotten so far."""


def conversation_key(
    client: str | None, extra_pnginfo: Any, node_id: str | None, frames: Tensor
) -> ConversationKey:
    """Return the key of a conversation of node `node_id` about `frames` [f, h, w, 3].

    `extra_pnginfo` holds the workflow, which browser pages send but other clients may not.
    """
    workflow = (extra_pnginfo or {}).get("workflow") or {}
    # All pixels of at most five frames tell videos apart, and are quick to hash for long ones.
    shown = frames[:: max(1, len(frames) // 4)][:5].contiguous()
    digest = hashlib.sha256(shown.cpu().numpy().tobytes()).hexdigest()
    return ConversationKey(client, workflow.get("id"), node_id, f"{tuple(frames.shape)} {digest}")


def recall(key: ConversationKey, request: str) -> tuple[Turn, ...]:
    """Return the turns so far, without the last one if `request` repeats it."""
    turns = _conversations.get(key, ())
    return turns[:-1] if turns and turns[-1].request == request else turns


def keep(key: ConversationKey, turns: Sequence[Turn]) -> None:
    """Remember the turns of a conversation, and drop the oldest conversations beyond the limit."""
    _conversations[key] = tuple(turns)
    _conversations.move_to_end(key)
    while len(_conversations) > MAX_CONVERSATIONS:
        _conversations.popitem(last=False)


def forget(key: ConversationKey) -> None:
    """Forget all conversations of the same node as `key`, about any video."""
    global _forgotten
    for other in [other for other in _conversations if other.is_at(key)]:
        del _conversations[other]
        _forgotten += 1


def fingerprint(request: str, remember: bool) -> str:
    """Return a text that changes when a node must run again because of what is remembered.

    It covers all nodes together, because ComfyUI 0.3.75 does not say here which node asks.
    """
    if not remember:
        return "to forget" if _conversations else ""
    recalled = {key: recall(key, request) for key in _conversations}
    known = sorted((repr(key), repr(turns)) for key, turns in recalled.items() if turns)
    return f"{_forgotten} {hashlib.sha256(repr(known).encode()).hexdigest()}"
