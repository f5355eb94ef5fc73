"""Batches of frames from data sets; the frames are encoded during training."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from lgvi_core.errors import LGVIError
from lgvi_core.latents import LATENT_CHANNELS, LATENT_PIXELS

from ..data.pictures import cover_and_crop, mirrored
from ..data.sample import BrokenSample, Reader, Sample, check_clip
from .batch import IMAGES, VIDEOS, Batch
from .batches import ALONE, Batches, MicroBatch, Rank
from .config import TrainConfig
from .text import TextSource

ATTEMPTS = 20
"""Number of samples that are tried for one position in a batch before training stops."""


class ReaderBatches(Batches):
    """Batches of frames from data sets, resized and cropped; each epoch has a new order.

    A clip that is shorter than the step's clips is filled up with its own frames, walked back and
    forth, so that its motion goes on. These are not `Batch.counted`.
    """

    def __init__(
        self,
        config: TrainConfig,
        text: TextSource,
        videos: Sequence[Reader],
        images: Sequence[Reader],
        rank: Rank = ALONE,
    ) -> None:
        super().__init__(config, text, rank)
        self.readers = {True: list(videos), False: list(images)}
        self.orders: dict[bool, tuple[int, np.ndarray]] = {}

    def load(self, part: MicroBatch) -> Batch:
        videos = self.videos_before(part.step)
        before = videos if part.is_video else part.step - videos
        # Every step advances by the size of the largest step, and steps of longer clips skip
        # positions, so that steps of all lengths walk through the same epoch.
        stride = self.clips_in_step(min(self.data.video_frames)) if part.is_video else part.size
        count = self.count(part.is_video)
        samples, broken = [], []
        for place in part.samples:
            number = before * stride + place
            rng = self.sample_rng(part.step, place)
            for _ in range(ATTEMPTS):
                try:
                    sample = self._read(part.is_video, number, part.frames, rng)
                    check_clip(sample, part.frames)
                    samples.append(self._prepare(sample, part.frames, rng))
                    break
                except BrokenSample as error:
                    broken.append(str(error))
                    number += int(rng.integers(count)) - number % count
            else:
                raise LGVIError(f"{ATTEMPTS} broken samples in a row, the last: {broken[-1]}")
        kind = VIDEOS if part.is_video else IMAGES
        return self.collate(samples, broken=tuple(broken), kind=kind)

    def count(self, is_video: bool) -> int:
        """The number of video samples, or of image samples."""
        return sum(len(reader) for reader in self.readers[is_video])

    def _read(self, is_video: bool, number: int, frames: int, rng: np.random.Generator) -> Sample:
        epoch, at = divmod(number, self.count(is_video))
        if is_video not in self.orders or self.orders[is_video][0] != epoch:
            order_rng = np.random.default_rng([self.config.seed, int(is_video), epoch])
            order = merged_order(self.readers[is_video], order_rng)
            self.orders[is_video] = (epoch, order)
        reader, index = self.orders[is_video][1][at]
        return self.readers[is_video][reader].read(int(index), frames, rng)

    def _prepare(self, sample: Sample, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """One sample's part of a batch; a short clip is mirrored to `frames` frames."""
        height, width = self.data.size
        small = (height // LATENT_PIXELS, width // LATENT_PIXELS)
        own = len(sample.source)
        order = mirrored(own, frames) if own < frames else list(range(own))
        known = sample.mask if sample.object_masks is None else sample.object_masks.max(0)
        mask, objects = (
            np.stack(
                [
                    cv2.resize(frame, small[::-1], interpolation=cv2.INTER_AREA)
                    for frame in cover_and_crop(masks, (height, width))
                ]
            )[order]
            for masks in (sample.mask, known)
        )
        source, target = (
            torch.from_numpy(cover_and_crop(clip, (height, width))[order])
            for clip in (sample.source, sample.target)
        )
        draw = self.draw_noise_and_conditions(rng, (LATENT_CHANNELS, len(order), *small))
        return {
            "source": source,
            "target": target,
            "counted": torch.arange(len(order)) < own,
            "mask": torch.from_numpy(mask)[None].float() / 255,
            "objects": torch.from_numpy(objects)[None].float() / 255,
            "text": self.text.of_sample(sample, draw["has_text"], (height, width)),
            **draw,
        }


def merged_order(readers: Sequence[Reader], rng: np.random.Generator) -> np.ndarray:
    """The order of an epoch, int64 [n, 2]: (reader, index) of every sample once.

    Readers are mixed at random; the samples of each reader come in its own `Reader.order`.
    """
    lengths = [len(reader) for reader in readers]
    labels = rng.permutation(np.repeat(np.arange(len(readers)), lengths))
    order = np.empty((len(labels), 2), np.int64)
    order[:, 0] = labels
    for i, reader in enumerate(readers):
        order[labels == i, 1] = reader.order(rng)
    return order
