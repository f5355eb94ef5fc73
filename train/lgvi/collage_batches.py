"""Batches of collages' latents, from shards that are drawn when training first needs them."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lgvi_core.errors import LGVIError

from ..data.collage.scenes import Thing
from ..data.language.expressions import Emphasis
from ..data.language.naming import View
from ..data.language.requests import ask
from .attributes import COLLAGES, FLAGS, IGNORED_LABEL, attribute_table
from .batch import Batch
from .batches import ALONE, Batches, MicroBatch, Rank
from .collage_cache import CLIP_EVERY, CLIP_FRAMES, KINDS, StoredCollage
from .collage_pool import CollagePool, build_encoder
from .config import TrainConfig
from .text import TextSource

WHOLE = 0.8  # share of sources that show all things
EMPTY = 0.03  # share of sources that show none


class CollageBatches(Batches):
    """Batches of collages; every sample is a new pair of source and target."""

    def __init__(self, config: TrainConfig, text: TextSource, rank: Rank = ALONE) -> None:
        """Open the cache. Raises LGVIError if it cannot serve what the configuration asks for."""
        super().__init__(config, text, rank)
        assert config.data.cache is not None and config.data.collages is not None
        if self.share > 0 and max(self.data.video_frames) > CLIP_FRAMES:
            raise LGVIError(
                f"cached clips have {CLIP_FRAMES} frames, video_frames asks for "
                f"{max(self.data.video_frames)}"
            )
        if self.share > 0 and config.data.collages.first_shards < CLIP_EVERY:
            raise LGVIError(f"first_shards: the first {CLIP_EVERY} shards hold the first clips")
        self.plan = config.data.collages
        self.pool = CollagePool(self.plan, config.data.cache, partial(build_encoder, config), rank)
        self.unknown = self.pool.nouns()

    def load(self, part: MicroBatch) -> Batch:
        count = self.plan.first_shards + part.step // self.plan.steps_per_shard
        groups = self.pool.groups(count, ("video",) if part.is_video else KINDS)
        sizes = np.array([len(group) for group in groups], np.float64)
        group = groups[part.rng.choice(len(groups), p=sizes / sizes.sum())]
        rngs = [self.sample_rng(part.step, number) for number in part.samples]
        late = part.step >= round(self.data.late_from * self.config.max_steps)
        emphasis = {**self.data.emphasis, **self.data.late_emphasis} if late else self.data.emphasis
        return self.collate([self._sample(group, rng, part.frames, emphasis) for rng in rngs])

    def _sample(
        self, group: list[StoredCollage], rng: np.random.Generator, frames: int, emphasis: Emphasis
    ) -> dict[str, Any]:
        item = group[rng.integers(len(group))]
        chosen = np.sort(rng.choice(item.latents.shape[1], frames, replace=False))
        things = [thing.select(chosen) for thing in item.things]
        shares = item.shares[:, chosen].max(1) if things else np.zeros(0)
        view = View(things, shares, item.background)
        present = _present(rng, item)
        stored = {subset: at for at, subset in enumerate(item.subsets)}
        request = ask(rng, view, present, stored.__contains__, self.unknown, emphasis)
        kept = tuple(i for i in present if i not in request.removed)
        draw = self.draw_noise_and_conditions(rng, (4, frames, *item.latents.shape[-2:]))
        masks = item.masks[:, chosen]
        visible = visible_coverage(masks, present)
        return {
            "source": item.latents[stored[present], chosen].float().movedim(1, 0),
            "target": item.latents[stored[kept], chosen].float().movedim(1, 0),
            "mask": visible[list(request.removed)].sum(0)[None],
            "objects": visible.sum(0)[None],
            "attributes": _attributes(visible, things, view.seen(present)),
            "text": self.text.of_sentence(request.sentence if draw["has_text"] else ""),
            **draw,
        }


def visible_coverage(masks: Tensor, present: tuple[int, ...]) -> Tensor:
    """The coverage [n, f, h, w] of every thing that is present, where none hides it, in 0 to 1.

    `masks` are uint8 [n, f, h, w], ordered from back to front. The sum over things is at most 1.
    """
    visible = torch.zeros(masks.shape)
    free = torch.ones(masks.shape[1:])
    for index in sorted(present, reverse=True):
        cover = masks[index].float() / 255
        visible[index] = cover * free
        free = free * (1 - cover)
    return visible


def _present(rng: np.random.Generator, item: StoredCollage) -> tuple[int, ...]:
    """Draw which things the source shows: mostly all."""
    draw = rng.random()
    if draw < WHOLE or len(item.subsets) == 1:
        return item.subsets[0]
    if draw < WHOLE + EMPTY:
        return ()
    return item.subsets[int(rng.integers(len(item.subsets)))]


def _attributes(visible: Tensor, things: list[Thing], seen: list[int]) -> Tensor:
    """The attributes at every pixel of the things that can be seen; see `attribute_map`."""
    if not seen:
        return torch.full((2 + FLAGS, *visible.shape[1:]), IGNORED_LABEL)
    table = attribute_table([things[i] for i in seen], COLLAGES)
    cover, index = visible[seen].max(0)
    return torch.where(cover[None] >= 0.5, table[index].movedim(-1, 0), IGNORED_LABEL)
