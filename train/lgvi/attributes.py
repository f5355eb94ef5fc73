"""Supervision of what the objects are, beside the paper's losses, for generated scenes.

A small model that learns from masks alone grounds colours early, but nouns and places very late:
few sentences depend on them. Here the U-Net's features also have to say of every object what it
is, where it stands among its like, whether it is the big or the small one, and whether it moves.
The heads are not exported.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.drawn.scenes import MOVES, STILL, SceneObject
from ..data.drawn.sprites import COLOURS, NOUNS
from ..data.language.expressions import (
    MOTION_WORDS,
    PLACE_WORDS,
    SIZE_WORDS,
    place_words,
    size_word,
)

COLOUR_NAMES = tuple(COLOURS)
FLAG_WORDS = PLACE_WORDS + SIZE_WORDS + MOTION_WORDS
FLAGS = len(FLAG_WORDS)
CHANNELS = len(NOUNS) + len(COLOUR_NAMES) + FLAGS
NONE = -1


def attribute_table(objects: Sequence[SceneObject]) -> Tensor:
    """[n, 2 + FLAGS]: noun, colour, and for each of FLAG_WORDS 1 where it is true of the object.

    Words of place and size are true where they single it out among its like, that is objects of
    the same noun, or among all where it is the only one; "moving" and "still" by its own path, and
    NONE in a single frame.
    """
    rows = []
    for i, thing in enumerate(objects):
        others = [o for k, o in enumerate(objects) if k != i]
        like = [o for o in others if o.noun == thing.noun] or others
        true = {*place_words(thing, like), size_word(thing, like)} if like else set()
        row = [NOUNS.index(thing.noun), COLOUR_NAMES.index(thing.colour)]
        row += [int(word in true) for word in PLACE_WORDS + SIZE_WORDS]
        if len(thing.path) > 1:
            row += [int(thing.travel >= MOVES), int(thing.travel <= STILL)]
        else:
            row += [NONE] * len(MOTION_WORDS)
        rows.append(row)
    return torch.tensor(rows)


def attribute_map(masks: Tensor, objects: Sequence[SceneObject]) -> Tensor:
    """[2 + FLAGS, f, h, w] of uint8 `masks` [n, f, h, w]: each object's row where it is, NONE else.

    Where objects overlap the larger coverage counts.
    """
    cover, index = masks.max(0)
    table = attribute_table(objects)
    found = table[index].movedim(-1, 0)
    return torch.where(cover[None] >= 128, found, NONE)


class AttributeHeads(nn.Module):
    """One 1x1 convolution on each feature that the mask decoder reads."""

    def __init__(self, feature_channels: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(c, CHANNELS, 1) for c in feature_channels)

    def forward(self, features: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Logits [(b f), CHANNELS, h, w] of every feature."""
        return [
            F.interpolate(head(x), size=size, mode="nearest")
            for head, x in zip(self.heads, features, strict=True)
        ]


def attribute_loss(logits: Sequence[Tensor], target: Tensor) -> Tensor:
    """Cross-entropy of the `logits` on the objects' pixels; `target` is [b, 2 + FLAGS, f, h, w].

    The mean over features and samples, each sample normalised by itself.
    """
    there = target[:, 0] != NONE
    normaliser = there.sum((1, 2, 3)).clamp(min=1) * len(logits)
    flags, known = target[:, 2:].clamp(min=0).float(), target[:, 2:] != NONE
    total = torch.zeros(len(target), device=target.device)
    for values in logits:
        values = rearrange(values.float(), "(b f) c h w -> b c f h w", b=len(target))
        noun, colour, flag = values.split([len(NOUNS), len(COLOUR_NAMES), FLAGS], dim=1)
        pixels = F.cross_entropy(noun, target[:, 0], ignore_index=NONE, reduction="none")
        pixels += F.cross_entropy(colour, target[:, 1], ignore_index=NONE, reduction="none")
        entropy = F.binary_cross_entropy_with_logits(flag, flags, reduction="none")
        pixels = pixels + (known * entropy).sum(1)
        total = total + pixels.sum((1, 2, 3)) / normaliser
    return total.mean()
