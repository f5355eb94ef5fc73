"""The data of one training step, as the denoiser gets it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

CLIPS, PICTURES = "clips", "pictures"
"""The kinds of batches: of videos, and of single frames."""


class ChatInput(NamedTuple):
    """Conversations about the clips of a batch, for a chat model.

    `tokens` and `labels` [b, n], padded on the right, labels IGNORED but in replies; `pixels`
    [b, m, 3, s, s]. `span` [b, l] are the tokens whose states become the text features, `inside`
    [b, l] is False where a prompt is shorter.
    """

    tokens: Tensor
    labels: Tensor
    pixels: Tensor
    span: Tensor
    inside: Tensor


@dataclass(frozen=True)
class Batch:
    """One step's data, or one process's part of it.

    `target` and `source` are latents, float32 [b, 4, f, h, w], or frames still to be encoded,
    uint8 [b, f, 8h, 8w, 3]. `mask` [b, 1, f, h, w] in 0..1, and `objects` likewise: the area of
    everything that could have been meant, or the mask where that is unknown. `text`: CLIP's tokens
    [b, 77], or conversations. `t` [b] timesteps; `noise` [b, 4, f, h, w]; `has_text`, `has_video`
    [b], False where that condition is withheld. `attributes` is `train.attributes`' map, of
    generated scenes only. `broken` names samples that were skipped; `kind` is CLIPS or PICTURES.
    """

    target: Tensor
    source: Tensor
    mask: Tensor
    objects: Tensor
    text: Tensor | ChatInput
    t: Tensor
    noise: Tensor
    has_text: Tensor
    has_video: Tensor
    attributes: Tensor | None = None
    broken: tuple[str, ...] = ()
    kind: str = CLIPS

    @property
    def is_encoded(self) -> bool:
        """Whether `target` and `source` are latents already."""
        return self.target.is_floating_point()

    @property
    def samples(self) -> int:
        """How many clips or pictures it holds."""
        return len(self.t)

    @property
    def frames(self) -> int:
        """How many frames each of them has."""
        return self.noise.shape[2]

    def to(self, device: torch.device) -> "Batch":
        """On a device; pinned memory is copied while the CPU goes on."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """What a DataLoader asks for."""
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
