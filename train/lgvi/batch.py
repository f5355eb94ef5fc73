"""The batch: data of one training step in the form that the model takes."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

VIDEOS, IMAGES = "clips", "pictures"
"""Kinds of batches: of videos, and of single images."""


class ChatInput(NamedTuple):
    """Conversations about the videos of a batch, for a chat model."""

    tokens: Tensor
    """Token ids [b, n], padded on the right."""
    labels: Tensor
    """The next-token labels [b, n]; IGNORED everywhere but in replies."""
    pixels: Tensor
    """The frames that the chat model sees, [b, m, 3, s, s]."""
    span: Tensor
    """Positions [b, l] of the tokens whose hidden states become the text features."""
    inside: Tensor
    """Bool [b, l]: False at positions of `span` beyond the end of a shorter prompt."""


@dataclass(frozen=True)
class Batch:
    """One step's data, or one process's part of it; f frames of each of b samples."""

    target: Tensor
    """The video after the removal: latents, float32 [b, 4, f, h, w], or frames that are not yet
    encoded, uint8 [b, f, 8h, 8w, 3]."""
    source: Tensor
    """The video before the removal, in the form of `target`."""
    mask: Tensor
    """Coverage of the removed objects [b, 1, f, h, w] in 0 to 1."""
    objects: Tensor
    """Coverage of all objects that the text could mean, like `mask`; equal to it if unknown."""
    text: Tensor | ChatInput
    """CLIP's tokens [b, 77], or conversations."""
    t: Tensor
    """Timesteps [b]."""
    noise: Tensor
    """The noise that is added to the target's latents [b, 4, f, h, w]."""
    has_text: Tensor
    """Bool [b]: False where the text is withheld or contains no request."""
    has_video: Tensor
    """Bool [b]: False where the source is withheld."""
    attributes: Tensor | None = None
    """The `attribute_map` of each sample [b, 2 + FLAGS, f, h, w]; only of generated scenes."""
    counted: Tensor | None = None
    """Bool [b, f]: False for frames that repeat others to fill up a short clip, and count in no
    loss; None if all count."""
    broken: tuple[str, ...] = ()
    """Names of samples that were skipped, each with the reason."""
    kind: str = VIDEOS
    """VIDEOS or IMAGES."""

    @property
    def is_encoded(self) -> bool:
        """Whether `target` and `source` are latents rather than frames."""
        return self.target.is_floating_point()

    @property
    def samples(self) -> int:
        """The number of samples, b."""
        return len(self.t)

    @property
    def frames(self) -> int:
        """The number of frames of each sample, f."""
        return self.noise.shape[2]

    def to(self, device: torch.device) -> "Batch":
        """The batch on `device`; pinned memory is copied asynchronously."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The batch in pinned memory; DataLoader calls this."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        tensors: dict[str, Any] = {
            f.name: function(value)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        if isinstance(self.text, ChatInput):
            tensors["text"] = ChatInput(*map(function, self.text))
        return replace(self, **tensors)
