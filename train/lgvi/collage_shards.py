"""How a shard of collages is drawn, encoded and written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.latents import LATENT_PIXELS

from ..data.collage.scenes import draw_collage, sample_collage
from .collage_cache import KINDS, SHARD_COLLAGES, CollageShard, describe, stored_subsets
from .data_config import CollageConfig

_STREAM = 21  # of the seeds, so that no other drawing shares them
Encode = Callable[[np.ndarray], Tensor]
"""Encodes frames, uint8 [n, h, w, 3], to fp16 latents [n, 4, h/8, w/8] on the CPU."""


@dataclass(frozen=True)
class DrawnShard:
    """A shard before it is encoded."""

    shard: CollageShard
    frames: np.ndarray
    """All versions of all collages, uint8 [n, h, w, 3]."""
    masks: np.ndarray
    """Coverage of all things at latent size, uint8 [m, h/8, w/8]."""
    facts: str
    """What the collages hold, as JSON."""


def draw_shard(shard: CollageShard, plan: CollageConfig) -> DrawnShard:
    """Draw the collages of a shard."""
    height, width = shard.size(plan.sizes)
    small = (width // LATENT_PIXELS, height // LATENT_PIXELS)
    frames, masks, facts = [], [], []
    for index in range(SHARD_COLLAGES[shard.kind]):
        rng = np.random.default_rng([_STREAM, KINDS.index(shard.kind), shard.number, index])
        scene = sample_collage(rng, plan.folder, shard.frames, width / height)
        layers = draw_collage(scene, height, width)
        subsets = stored_subsets(scene.things, rng)
        frames += [layers.compose(keep) for keep in subsets]
        for mask in layers.masks().reshape(-1, height, width):
            cover = cv2.resize(mask, small, interpolation=cv2.INTER_AREA)
            masks.append(np.round(255 * cover).astype(np.uint8))
        facts.append(describe(scene.things, layers.shares(), scene.backdrop.shows, tuple(subsets)))
    cover = np.array(masks, np.uint8).reshape(-1, small[1], small[0])
    return DrawnShard(shard, np.concatenate(frames), cover, json.dumps(facts))


def write_shard(drawn: DrawnShard, encode: Encode, cache: Path) -> None:
    """Encode a drawn shard and write it into the folder `cache`."""
    tensors = {"latents": encode(drawn.frames), "masks": torch.from_numpy(drawn.masks)}
    with atomic_write(cache / drawn.shard.file_name) as path:
        save_file(tensors, path, {"collages": drawn.facts})


@dataclass(frozen=True)
class Drawer:
    """Factory of a function that draws shards, for worker processes."""

    plan: CollageConfig

    def __call__(self) -> Callable[[CollageShard], DrawnShard]:
        return partial(draw_shard, plan=self.plan)
