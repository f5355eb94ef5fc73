"""An auxiliary loss, beside the paper's, that teaches the U-Net what the objects are.

A small model that learns from masks alone grounds colours early, but nouns and places very late,
because few sentences depend on them. Here linear heads on the U-Net's features also classify, at
every pixel of an object, its noun, its colour, its place and size among similar objects, and
whether it moves. This needs generated scenes, whose objects are known. The heads are not exported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.collage.vocabulary import vocabulary
from ..data.drawn.scenes import MOVES, STILL
from ..data.drawn.sprites import COLOURS, NOUNS
from ..data.language.expressions import (
    MOTION_WORDS,
    PLACE_WORDS,
    SIZE_WORDS,
    Located,
    place_words,
    size_word,
)

COLOUR_NAMES = tuple(COLOURS)
FLAG_WORDS = PLACE_WORDS + SIZE_WORDS + MOTION_WORDS
"""Words that are true or false of an object."""
FLAGS = len(FLAG_WORDS)
IGNORED_LABEL = -1
"""Label of a pixel without object, or of an unknown attribute; it has no loss."""


@dataclass(frozen=True)
class Labels:
    """The nouns and colours that heads tell apart."""

    nouns: tuple[str, ...]
    colours: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Output channels of a head: one logit per noun, colour and flag."""
        return len(self.nouns) + len(self.colours) + FLAGS


DRAWN = Labels(NOUNS, COLOUR_NAMES)
"""Those of our own drawings."""
COLLAGES = Labels(tuple(vocabulary().nouns), tuple(vocabulary().colours))
"""Those of collages."""


class Named(Located, Protocol):
    """An object with a noun and a colour; its colour may be unknown."""

    @property
    def noun(self) -> str: ...
    @property
    def colour(self) -> str | None: ...


def attribute_table(objects: Sequence[Named], labels: Labels = DRAWN) -> Tensor:
    """The attributes of n objects, int64 [n, 2 + FLAGS]: noun, colour, and 1 for each true flag.

    A colour of None is IGNORED_LABEL.
    Words of place and size are true if they single the object out among those of the same noun, or
    among all if no other has that noun. "moving" and "still" depend on its own path, and are
    IGNORED_LABEL for a single frame.
    """
    rows = []
    for i, thing in enumerate(objects):
        others = [o for k, o in enumerate(objects) if k != i]
        like = [o for o in others if o.noun == thing.noun] or others
        true = {*place_words(thing, like), size_word(thing, like)} if like else set()
        row = [labels.nouns.index(thing.noun), IGNORED_LABEL]
        if thing.colour is not None:
            row[1] = labels.colours.index(thing.colour)
        row += [int(word in true) for word in PLACE_WORDS + SIZE_WORDS]
        if len(thing.path) > 1:
            row += [int(thing.travel >= MOVES), int(thing.travel <= STILL)]
        else:
            row += [IGNORED_LABEL] * len(MOTION_WORDS)
        rows.append(row)
    return torch.tensor(rows)


def attribute_map(masks: Tensor, objects: Sequence[Named], labels: Labels = DRAWN) -> Tensor:
    """The attributes at every pixel, int64 [2 + FLAGS, f, h, w]; elsewhere IGNORED_LABEL.

    `masks` are the objects' coverage, uint8 [n, f, h, w]. Where objects overlap, the one with the
    larger coverage counts.
    """
    cover, index = masks.max(0)
    table = attribute_table(objects, labels)
    found = table[index].movedim(-1, 0)
    return torch.where(cover[None] >= 128, found, IGNORED_LABEL)


class AttributeHeads(nn.Module):
    """One 1x1 convolution on each of the U-Net features that the mask decoder also reads."""

    def __init__(self, feature_channels: Sequence[int], labels: Labels = DRAWN) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(c, labels.channels, 1) for c in feature_channels)

    def forward(self, features: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Logits [(b f), channels, h, w] of every feature, resized to `size` (h, w)."""
        return [
            F.interpolate(head(x), size=size, mode="nearest")
            for head, x in zip(self.heads, features, strict=True)
        ]


def attribute_loss(logits: Sequence[Tensor], target: Tensor, labels: Labels = DRAWN) -> Tensor:
    """Cross-entropy of the heads' `logits` on the pixels of objects; a scalar.

    `target` is a batch of `attribute_map`s, [b, 2 + FLAGS, f, h, w]. The loss is the mean over
    features and samples, and each sample is normalised by its own number of pixels.
    """
    sizes = [len(labels.nouns), len(labels.colours), FLAGS]
    there = target[:, 0] != IGNORED_LABEL
    normaliser = there.sum((1, 2, 3)).clamp(min=1) * len(logits)
    flags, known = target[:, 2:].clamp(min=0).float(), target[:, 2:] != IGNORED_LABEL
    total = torch.zeros(len(target), device=target.device)
    for values in logits:
        values = rearrange(values.float(), "(b f) c h w -> b c f h w", b=len(target))
        noun, colour, flag = values.split(sizes, dim=1)
        pixels = F.cross_entropy(noun, target[:, 0], ignore_index=IGNORED_LABEL, reduction="none")
        pixels += F.cross_entropy(
            colour, target[:, 1], ignore_index=IGNORED_LABEL, reduction="none"
        )
        entropy = F.binary_cross_entropy_with_logits(flag, flags, reduction="none")
        pixels = pixels + (known * entropy).sum(1)
        total = total + pixels.sum((1, 2, 3)) / normaliser
    return total.mean()
