"""Batches for the denoiser, put together from the latent cache."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from .config import DataConfig, LossConfig
from .data.expressions import describe_removal, sample_pair
from .data.scenes import select_frames
from .latent_cache import VIDEO_FRAMES, LatentCache, LatentScene


@dataclass(frozen=True)
class Batch:
    """One step's data.

    `z_0` target and `c_x` source latents, float32 [b, 4, f, h, w]; `mask` [b, 1, f, h, w] in 0..1;
    `tokens` [b, 77]; `t` [b] timesteps; `noise` like z_0; `told` [b], False where text or video
    was withheld, so that the mask cannot be known.
    """

    z_0: Tensor
    c_x: Tensor
    mask: Tensor
    tokens: Tensor
    t: Tensor
    noise: Tensor
    told: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


class BatchMaker:
    """Draws batches. Batch number n is the same whenever and wherever it is made."""

    def __init__(
        self,
        cache: LatentCache,
        tokenizer: CLIPTokenizer,
        data: DataConfig,
        loss: LossConfig,
        seed: int,
    ) -> None:
        self.cache = cache
        self.tokenizer = tokenizer
        self.data = data
        self.loss = loss
        self.seed = seed
        self.known: dict[str, list[int]] = {}

    def make(self, number: int, progress: float, rank: int = 0) -> Batch:
        """Batch `number` of process `rank`; `progress` in 0..1 decides between images and clips."""
        rng = np.random.default_rng([self.seed, number, rank])
        videos = self.cache.groups("video")
        images = self.cache.groups("image")
        if not images:
            raise FileNotFoundError(f"no latent shards in {self.cache.folder}: run latent_cache")
        late = progress >= self.data.video_from
        if late and videos and rng.random() < self.data.video_share:
            group = _choose_group(rng, videos)
            frames = int(rng.choice(self.data.video_frames))
            count = max(1, self.data.batch_videos * VIDEO_FRAMES // frames)
            return self._assemble(rng, group, count, frames)
        # Frames of clips are single frames too: more backgrounds and places for the same encoding.
        group = _choose_group(rng, images + videos)
        return self._assemble(rng, group, self.data.batch_images, frames=1)

    def tokenize(self, sentences: list[str]) -> Tensor:
        """CLIP's token ids [b, 77], padded with the end token."""
        for sentence in set(sentences) - self.known.keys():
            self.known[sentence] = self.tokenizer(
                sentence, padding="max_length", max_length=77, truncation=True
            ).input_ids
        return torch.tensor([self.known[sentence] for sentence in sentences])

    def _assemble(
        self, rng: np.random.Generator, group: list[LatentScene], count: int, frames: int
    ) -> Batch:
        z_0, c_x, masks, sentences = [], [], [], []
        for index in rng.integers(len(group), size=count):
            item = group[index]
            chosen = np.sort(rng.choice(item.masks.shape[1], frames, replace=False))
            objects = select_frames(item.scene, chosen).objects
            present, removed = sample_pair(rng, len(objects))
            request = describe_removal(rng, objects, present, removed)
            kept = [i for i in present if i not in request.removed]
            c_x.append(item.latents[_code(present), chosen])
            z_0.append(item.latents[_code(kept), chosen])
            mask = torch.zeros_like(item.masks[0, chosen])
            for i in request.removed:
                mask = torch.maximum(mask, item.masks[i, chosen])
            masks.append(mask)
            sentences.append(request.sentence)

        draw = torch.from_numpy(rng.random(count))
        no_text, no_video = self.loss.drop_text, self.loss.drop_video
        no_text_here = (draw < no_text) | (draw >= 1 - self.loss.drop_both)
        no_video_here = ((draw >= no_text) & (draw < no_text + no_video)) | (
            draw >= 1 - self.loss.drop_both
        )
        target = torch.stack(z_0).float().movedim(2, 1)
        source = torch.stack(c_x).float().movedim(2, 1)
        source[no_video_here] = 0
        high = rng.random(count) < self.loss.high_noise_share
        t = np.where(high, rng.integers(self.loss.high_noise_from, 1000, count), rng.integers(0, 1000, count))
        noise = torch.from_numpy(rng.standard_normal(target.shape, dtype=np.float32))
        texts = ["" if n else s for n, s in zip(no_text_here.tolist(), sentences, strict=True)]
        return Batch(
            z_0=target,
            c_x=source,
            mask=torch.stack(masks)[:, None].float() / 255,
            tokens=self.tokenize(texts),
            t=torch.from_numpy(t),
            noise=noise,
            told=~(no_text_here | no_video_here),
        )


def _code(objects: tuple[int, ...] | list[int]) -> int:
    """The position of a subset among `latent_cache.subsets`."""
    return sum(1 << i for i in objects)


def _choose_group(rng: np.random.Generator, groups: list[list[LatentScene]]) -> list[LatentScene]:
    sizes = np.array([len(group) for group in groups], np.float64)
    return groups[rng.choice(len(groups), p=sizes / sizes.sum())]
