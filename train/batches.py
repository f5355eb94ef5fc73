"""Batches for the denoiser, by number: batch n is the same whenever and wherever it is made.

That makes resuming exact, and the samples of a step the same on one process as on many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import CLIPTokenizer

from lgvi_core.errors import LGVIError

from .attributes import attribute_map
from .config import LossConfig, TrainConfig
from .data.expressions import Emphasis, describe_removal, sample_pair
from .data.sample import BrokenSample, Reader, Sample
from .data.scenes import SceneObject, select_frames
from .latent_cache import VIDEO_FRAMES, LatentCache, LatentScene

ATTEMPTS = 20  # samples tried for one place in a batch before training gives up
PIXELS = 8  # per latent pixel
TIMESTEPS = 1000
KNOWN_SENTENCES = 10_000  # kept with their tokens
CLIPS, PICTURES = "clips", "pictures"
"""The kinds of batches."""


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
        return self.target.is_floating_point()

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


@dataclass(frozen=True)
class Part:
    """What one process loads at once: `places` of a step's `size` samples of `frames` frames.

    `rng` is the step's, the same in all its parts.
    """

    step: int
    is_video: bool
    frames: int
    size: int
    places: range
    rng: np.random.Generator


class Batches(Dataset[Batch]):
    """The run's batches, `gradient_accumulation` of them per step, for one of several processes."""

    def __init__(
        self, config: TrainConfig, tokenizer: CLIPTokenizer, rank: int = 0, processes: int = 1
    ) -> None:
        self.config = config
        self.data = config.data
        self.tokenizer = tokenizer
        self.parts = config.gradient_accumulation
        self.rank, self.processes = rank, processes
        self.known: dict[str, Tensor] = {}
        joint = config.ablation.image_joint_training
        self.share = config.data.video_share if joint else 1.0
        self.video_from = round(config.data.video_from * config.max_steps)
        longest = max(self.data.video_frames)
        sizes = {self.data.batch_images} if self.share < 1 or self.video_from else set()
        if self.share > 0:
            sizes |= {self._clips(frames) for frames in self.data.video_frames}
        for size in sizes:
            if size % (self.parts * processes):
                raise LGVIError(
                    f"a step of {size} samples cannot be shared evenly by {processes} processes "
                    f"of {self.parts} parts: change batch_images or batch_videos (at {longest} "
                    "frames)"
                )

    def __len__(self) -> int:
        return self.config.max_steps * self.parts

    def videos_before(self, step: int) -> int:
        """How many of the steps before `step` had clips."""
        return int(max(0, step - self.video_from) * self.share + 1e-9)

    def __getitem__(self, number: int) -> Batch:
        step, turn = divmod(number, self.parts)
        is_video = self.videos_before(step + 1) > self.videos_before(step)
        rng = np.random.default_rng([self.config.seed, step])
        frames = int(rng.choice(self.data.video_frames)) if is_video else 1
        size = self._clips(frames) if is_video else self.data.batch_images
        own = size // (self.parts * self.processes)
        first = turn * (size // self.parts) + self.rank * own
        return self._load(Part(step, is_video, frames, size, range(first, first + own), rng))

    def _clips(self, frames: int) -> int:
        return max(1, self.data.batch_videos * max(self.data.video_frames) // frames)

    def _load(self, part: Part) -> Batch:
        raise NotImplementedError

    def _sample_rng(self, step: int, place: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, step, place])

    def _tokenize(self, sentence: str) -> Tensor:
        """CLIP's 77 token ids, padded with the end token."""
        if sentence not in self.known:
            if len(self.known) >= KNOWN_SENTENCES:
                self.known.clear()
            ids = self.tokenizer(
                sentence, padding="max_length", max_length=77, truncation=True
            ).input_ids
            self.known[sentence] = torch.tensor(ids)
        return self.known[sentence]

    def _text(self, sentence: str, has_text: bool) -> Any:
        """What the batch's `text` is made of, for one sample."""
        return self._tokenize(sentence if has_text else "")

    def _collate(self, samples: list[dict[str, Any]]) -> Batch:
        return collate(samples)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, Any]:
        """Timestep, noise of `shape`, and which conditions one sample sees."""
        loss: LossConfig = self.config.loss
        high = rng.random() < loss.high_noise_share
        t = int(rng.integers(loss.high_noise_from if high else 0, TIMESTEPS))
        draw = rng.random()
        both = draw >= 1 - loss.drop_both
        no_text = both or draw < loss.drop_text
        no_video = both or loss.drop_text <= draw < loss.drop_text + loss.drop_video
        return {
            "t": t,
            "has_text": not no_text,
            "has_video": not no_video,
            "noise": torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
        }


class CachedBatches(Batches):
    """Batches of latents that were encoded before, of generated scenes."""

    def __init__(self, config: TrainConfig, tokenizer: CLIPTokenizer, *place: int) -> None:
        super().__init__(config, tokenizer, *place)
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

    def _load(self, part: Part) -> Batch:
        groups = self.cache.groups("video")
        if not part.is_video:
            # Frames of clips are single frames too: more backgrounds for the same encoding.
            groups = self.cache.groups("image") + groups
        sizes = np.array([len(group) for group in groups], np.float64)
        group = groups[part.rng.choice(len(groups), p=sizes / sizes.sum())]
        rngs = [self._sample_rng(part.step, place) for place in part.places]
        emphasis = self._emphasis(part.step)
        return self._collate([self._sample(group, rng, part.frames, emphasis) for rng in rngs])

    def _emphasis(self, step: int) -> Emphasis:
        """Which kinds of expression come more often at a step."""
        late = step >= round(self.data.late_from * self.config.max_steps)
        return {**self.data.emphasis, **self.data.late_emphasis} if late else self.data.emphasis

    def _sample(
        self, group: list[LatentScene], rng: np.random.Generator, frames: int, emphasis: Emphasis
    ) -> dict[str, Any]:
        item = group[rng.integers(len(group))]
        chosen = np.sort(rng.choice(item.masks.shape[1], frames, replace=False))
        objects = select_frames(item.scene, chosen).objects
        present, removed, words = self._ask(rng, objects, emphasis)
        kept = [i for i in present if i not in removed]
        mask = torch.zeros_like(item.masks[0, chosen])
        for i in removed:
            mask = torch.maximum(mask, item.masks[i, chosen])
        masks = item.masks[list(present)][:, chosen]
        source = item.latents[_code(present), chosen].float().movedim(1, 0)
        draw = self._draw(rng, tuple(source.shape))
        return {
            "source": source,
            "target": item.latents[_code(kept), chosen].float().movedim(1, 0),
            "mask": mask[None].float() / 255,
            "objects": masks.amax(0)[None].float() / 255,
            "attributes": attribute_map(masks, [objects[i] for i in present]),
            "text": self._words(words, item, chosen, present, draw["has_text"]),
            **draw,
        }

    def _ask(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], emphasis: Emphasis
    ) -> tuple[tuple[int, ...], tuple[int, ...], Any]:
        """Which objects the source shows, which of them go, and the words that say so."""
        present, removed = sample_pair(rng, len(objects), emphasis=emphasis)
        request = describe_removal(rng, objects, present, removed, emphasis=emphasis)
        return present, request.removed, request.sentence

    def _words(
        self,
        words: Any,
        item: LatentScene,
        chosen: np.ndarray,
        present: tuple[int, ...],
        has_text: bool,
    ) -> Any:
        """The `_text` of what `_ask` said about the `chosen` frames."""
        return self._text(words, has_text)


class ReaderBatches(Batches):
    """Batches of frames from data sets, cut to the configured size; epochs in a new order each."""

    def __init__(
        self,
        config: TrainConfig,
        tokenizer: CLIPTokenizer,
        videos: Sequence[Reader],
        images: Sequence[Reader],
        *place: int,
    ) -> None:
        super().__init__(config, tokenizer, *place)
        self.readers = {True: list(videos), False: list(images)}
        self.orders: dict[bool, tuple[int, np.ndarray]] = {}

    def _load(self, part: Part) -> Batch:
        videos = self.videos_before(part.step)
        before = videos if part.is_video else part.step - videos
        # Steps of longer clips leave out places, so that all steps walk through the same epoch.
        stride = self._clips(min(self.data.video_frames)) if part.is_video else part.size
        count = self.count(part.is_video)
        samples, broken = [], []
        for place in part.places:
            number = before * stride + place
            rng = self._sample_rng(part.step, place)
            for _ in range(ATTEMPTS):
                try:
                    sample = self._read(part.is_video, number, part.frames, rng)
                    samples.append(self._prepare(sample, rng))
                    break
                except BrokenSample as error:
                    broken.append(str(error))
                    number += int(rng.integers(count)) - number % count
            else:
                raise LGVIError(f"{ATTEMPTS} broken samples in a row, the last: {broken[-1]}")
        kind = CLIPS if part.is_video else PICTURES
        return replace(self._collate(samples), broken=tuple(broken), kind=kind)

    def count(self, is_video: bool) -> int:
        """The number of samples of a kind."""
        return sum(len(reader) for reader in self.readers[is_video])

    def _read(self, is_video: bool, number: int, frames: int, rng: np.random.Generator) -> Sample:
        epoch, at = divmod(number, self.count(is_video))
        if is_video not in self.orders or self.orders[is_video][0] != epoch:
            order_rng = np.random.default_rng([self.config.seed, int(is_video), epoch])
            order = merged_order(self.readers[is_video], order_rng)
            self.orders[is_video] = (epoch, order)
        reader, index = self.orders[is_video][1][at]
        return self.readers[is_video][reader].read(int(index), frames, rng)

    def _prepare(self, sample: Sample, rng: np.random.Generator) -> dict[str, Any]:
        height, width = self.data.size
        small = (height // PIXELS, width // PIXELS)
        source = fit_frames(sample.source, (height, width))
        known = sample.mask if sample.object_masks is None else sample.object_masks.max(0)
        mask, objects = (
            np.stack(
                [
                    cv2.resize(frame, small[::-1], interpolation=cv2.INTER_AREA)
                    for frame in fit_frames(masks, (height, width))
                ]
            )
            for masks in (sample.mask, known)
        )
        draw = self._draw(rng, (4, len(source), *small))
        return {
            "source": torch.from_numpy(source),
            "target": torch.from_numpy(fit_frames(sample.target, (height, width))),
            "mask": torch.from_numpy(mask)[None].float() / 255,
            "objects": torch.from_numpy(objects)[None].float() / 255,
            "text": self._words(sample, draw["has_text"], rng),
            **draw,
        }

    def _words(self, sample: Sample, has_text: bool, rng: np.random.Generator) -> Any:
        """The `_text` of what the data set says."""
        return self._text(sample.sentence, has_text)


def merged_order(readers: Sequence[Reader], rng: np.random.Generator) -> np.ndarray:
    """[n, 2]: (reader, index) of every sample once, each reader in the order that it likes."""
    lengths = [len(reader) for reader in readers]
    labels = rng.permutation(np.repeat(np.arange(len(readers)), lengths))
    order = np.empty((len(labels), 2), np.int64)
    order[:, 0] = labels
    for i, reader in enumerate(readers):
        order[labels == i, 1] = reader.order(rng)
    return order


def fit_frames(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames [f, h, w] or [f, h, w, 3] scaled to cover `size` (height, width), middle cut out."""
    height, width = frames.shape[1:3]
    scale = max(size[0] / height, size[1] / width)
    if (height, width) == tuple(size):
        return frames
    large = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top, left = (large[0] - size[0]) // 2, (large[1] - size[1]) // 2
    return np.stack(
        [
            cv2.resize(np.ascontiguousarray(frame), large[::-1], interpolation=method)[
                top : top + size[0], left : left + size[1]
            ]
            for frame in frames
        ]
    )


def collate(samples: list[dict[str, Any]], **given: Any) -> Batch:
    """A batch of samples that all have the same shapes; `given` columns are taken as they are."""
    columns = {name: [sample[name] for sample in samples] for name in samples[0]}
    tensors: dict[str, Any] = {
        name: torch.stack(values) if isinstance(values[0], Tensor) else torch.tensor(values)
        for name, values in columns.items()
    }
    return Batch(**{**tensors, **given})


def _code(objects: tuple[int, ...] | list[int]) -> int:
    """The position of a subset among `latent_cache.subsets`."""
    return sum(1 << i for i in objects)
