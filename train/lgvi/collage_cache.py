"""The cache of collages' latents: its layout and how a shard is read.

A shard is one safetensors file, whole in itself: `latents` of every stored version of every
collage, `masks` and, in its metadata, what the collages hold. Shards are numbered, and a shard's
number says what is drawn on it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from lgvi_core.errors import LGVIError

from ..data.collage.scenes import Thing

SHARD_COLLAGES = {"image": 40, "video": 10}
CLIP_EVERY = 5  # every so many shards, one is of clips
CLIP_FRAMES = 4  # frames of every cached clip
ALL_SUBSETS = 2  # greatest number of things of which every subset is stored
NOUNS_FILE = "nouns.txt"
KINDS = ("image", "video")


@dataclass(frozen=True)
class CollageShard:
    """A shard; its collages all have the same frame size and number of frames."""

    kind: str
    """One of KINDS."""
    number: int
    """Its number among those of its kind."""

    @classmethod
    def at(cls, place: int) -> "CollageShard":
        """The shard at a place in the order in which shards are drawn."""
        block, within = divmod(place, CLIP_EVERY)
        if within == CLIP_EVERY - 1:
            return cls("video", block)
        return cls("image", block * (CLIP_EVERY - 1) + within)

    def size(self, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """Its (height, width) in pixels, one of `sizes`, between which the numbers alternate."""
        return sizes[self.number % len(sizes)]

    @property
    def frames(self) -> int:
        """The number of frames of each collage."""
        return 1 if self.kind == "image" else CLIP_FRAMES

    @property
    def file_name(self) -> str:
        """The name of the shard's file."""
        return f"{self.kind}-{self.number:05d}.safetensors"


@dataclass(frozen=True)
class StoredCollage:
    """A cached collage with n things, of which m subsets are stored."""

    things: tuple[Thing, ...]
    shares: np.ndarray
    """The share of each thing that can be seen in each frame, [n, f]."""
    background: tuple[str, ...]
    """Nouns that the background shows."""
    subsets: tuple[tuple[int, ...], ...]
    """The stored subsets of things; the first holds all."""
    latents: Tensor
    """fp16 [m, f, 4, h, w]."""
    masks: Tensor
    """Coverage of every thing, uint8 [n, f, h, w] at latent size, without occlusion."""


def stored_subsets(things: Sequence[Thing], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Choose the subsets of things that are worth encoding; the first holds all things.

    Of one or two things all; of more: none, all but one, and one or two of these: one alone, all
    but those of a noun or of a colour, those of a noun alone, all but a pair.
    """
    whole = tuple(range(len(things)))
    if len(things) <= ALL_SUBSETS:
        return [s for size in range(len(things), -1, -1) for s in combinations(whole, size)]
    found = [whole, (), *(tuple(k for k in whole if k != i) for i in whole)]
    groups = [
        tuple(i for i in whole if things[i].noun == n) for n in sorted({t.noun for t in things})
    ]
    colours = {t.colour for t in things} - {None}
    groups += [tuple(i for i in whole if things[i].colour == c) for c in sorted(map(str, colours))]
    groups = sorted(g for g in groups if 1 < len(g) < len(whole))
    rest = groups + [tuple(i for i in whole if i not in g) for g in groups]
    rest += [(i,) for i in whole]
    rest += [tuple(i for i in whole if i not in pair) for pair in combinations(whole, 2)]
    more = [s for s in dict.fromkeys(rest) if s not in found]
    chosen = rng.permutation(len(more))[: 1 if len(things) == 3 else 2]
    return found + [more[int(i)] for i in sorted(chosen)]


def describe(
    things: Sequence[Thing],
    shares: np.ndarray,
    background: Sequence[str],
    subsets: Sequence[tuple[int, ...]],
) -> dict[str, object]:
    """What a shard's metadata says of a collage; the arguments are as in `StoredCollage`."""
    return {
        "things": [
            {
                "noun": thing.noun,
                "colour": thing.colour,
                "path": np.round(thing.path, 4).tolist(),
                "sizes": np.round(thing.sizes, 4).tolist(),
                "own": np.round(thing.own, 4).tolist(),
            }
            for thing in things
        ],
        "shares": np.round(shares, 3).tolist(),
        "background": list(background),
        "subsets": [list(s) for s in subsets],
    }


def read_shard(path: Path, shard: CollageShard) -> list[StoredCollage]:
    """Read the collages of a shard. Raises LGVIError if the file is none."""
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get("collages")
    if text is None:
        raise LGVIError(f"{path} is no shard of collages: take it out of the cache")
    tensors = load_file(path)
    latents, masks = tensors["latents"], tensors["masks"]
    latent_at, mask_at, frames = 0, 0, shard.frames
    found = []
    for entry in json.loads(text):
        things = tuple(_thing(values) for values in entry["things"])
        subsets = tuple(tuple(s) for s in entry["subsets"])
        encoded, drawn = len(subsets) * frames, len(things) * frames
        own = latents[latent_at : latent_at + encoded].unflatten(0, (len(subsets), frames))
        cover = masks[mask_at : mask_at + drawn].reshape(len(things), frames, *masks.shape[1:])
        shares = np.array(entry["shares"], np.float64).reshape(len(things), frames)
        background = tuple(entry["background"])
        found.append(StoredCollage(things, shares, background, subsets, own, cover))
        latent_at, mask_at = latent_at + encoded, mask_at + drawn
    return found


def read_nouns(folder: Path) -> list[str]:
    """Read the nouns that no drawing shows from a cache. Raises LGVIError if there are none."""
    path = folder / NOUNS_FILE
    if not path.is_file():
        raise LGVIError(f"{path} is missing: write the cache with train.collage_cache")
    return path.read_text(encoding="utf-8").split("\n")


def _thing(values: dict[str, object]) -> Thing:
    arrays = {name: np.array(values[name], np.float64) for name in ("path", "sizes", "own")}
    return Thing(values["noun"], values["colour"], **arrays)  # type: ignore[arg-type]
