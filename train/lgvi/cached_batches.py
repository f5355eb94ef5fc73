"""Batches of drawn scenes whose latents `train.latent_cache` has encoded in advance."""

from typing import Any

import numpy as np
import torch

from lgvi_core.errors import LGVIError

from ..data.drawn.scenes import select_frames
from ..data.language.expressions import Emphasis
from .attributes import attribute_map
from .batch import Batch
from .batches import ALONE, Batches, MicroBatch, Rank
from .config import TrainConfig
from .latent_cache import VIDEO_FRAMES, LatentCache, LatentScene, subset_code
from .text import TextSource


class CachedBatches(Batches):
    """Batches of cached latents; every sample is a newly drawn pair of source and target."""

    def __init__(self, config: TrainConfig, text: TextSource, rank: Rank = ALONE) -> None:
        """Open the cache. Raises LGVIError if it lacks what the configuration asks for."""
        super().__init__(config, text, rank)
        assert config.data.cache is not None
        self.cache = LatentCache(config.data.cache)
        if not self.cache.refresh():
            raise LGVIError(f"no latent shards in {config.data.cache}: run train.latent_cache")
        if self.share > 0 and not self.cache.groups("video"):
            raise LGVIError(f"no shards of clips in {config.data.cache}, and video_share is not 0")
        longest = max(self.data.video_frames)
        if self.share > 0 and longest > VIDEO_FRAMES:
            raise LGVIError(
                f"cached clips have {VIDEO_FRAMES} frames, video_frames asks for {longest}"
            )

    def load(self, part: MicroBatch) -> Batch:
        groups = self.cache.groups("video")
        if not part.is_video:
            # Frames of videos serve as single frames too, which adds backgrounds for free.
            groups = self.cache.groups("image") + groups
        sizes = np.array([len(group) for group in groups], np.float64)
        group = groups[part.rng.choice(len(groups), p=sizes / sizes.sum())]
        rngs = [self.sample_rng(part.step, number) for number in part.samples]
        emphasis = self._emphasis(part.step)
        return self.collate([self._sample(group, rng, part.frames, emphasis) for rng in rngs])

    def _emphasis(self, step: int) -> Emphasis:
        """The factors on the frequency of kinds of expression at a step."""
        late = step >= round(self.data.late_from * self.config.max_steps)
        return {**self.data.emphasis, **self.data.late_emphasis} if late else self.data.emphasis

    def _sample(
        self, group: list[LatentScene], rng: np.random.Generator, frames: int, emphasis: Emphasis
    ) -> dict[str, Any]:
        item = group[rng.integers(len(group))]
        chosen = np.sort(rng.choice(item.masks.shape[1], frames, replace=False))
        objects = select_frames(item.scene, chosen).objects
        question = self.text.ask(rng, objects, emphasis)
        present, removed = question.present, question.removed
        kept = [i for i in present if i not in removed]
        mask = torch.zeros_like(item.masks[0, chosen])
        for i in removed:
            mask = torch.maximum(mask, item.masks[i, chosen])
        masks = item.masks[list(present)][:, chosen]
        source = item.latents[subset_code(present), chosen].float().movedim(1, 0)
        draw = self.draw_noise_and_conditions(rng, tuple(source.shape))
        return {
            "source": source,
            "target": item.latents[subset_code(kept), chosen].float().movedim(1, 0),
            "mask": mask[None].float() / 255,
            "objects": masks.amax(0)[None].float() / 255,
            "attributes": attribute_map(masks, [objects[i] for i in present]),
            "text": self.text.of_scene(question, item, chosen, draw["has_text"]),
            **draw,
        }
