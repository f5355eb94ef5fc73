"""Batches for the chat model; each follows from the run's seed and the number of its step alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lgvi_core.errors import LGVIError

from ..data.drawn.scenes import SceneObject
from ..data.language.conversations import converse
from ..data.language.free_talk import converse_freely
from ..data.language.prompts import from_left
from ..lgvi.attributes import FLAGS, IGNORED_LABEL, attribute_map
from .config import ChatConfig
from .encoder import IGNORED, ConversationEncoder
from .frames import SceneCache

MIN_COVERAGE = 0.25  # share of a patch that an object must cover to count as shown there


@dataclass(frozen=True)
class ChatBatch:
    """One process's part of a training step.

    `pixels` [p, 3, s, s]; `tokens` and `labels` [b, n], pad_rows on the right; `attributes`
    [p, 2 + FLAGS, 1, side, side] as in `train.lgvi.attributes`; `order` [p, side, side]: the
    position of the object that a patch shows, counted from the left from 1 on, 0 for none. `joint`
    says whether the conversations contain the pictures, one each, so that p is b.
    """

    pixels: Tensor
    tokens: Tensor
    labels: Tensor
    attributes: Tensor
    order: Tensor
    joint: bool

    kind = ""
    broken = ()
    frames = 1

    @property
    def samples(self) -> int:
        """Number of pictures in the batch."""
        return len(self.pixels)

    def to(self, device: torch.device) -> "ChatBatch":
        """Return the batch with its tensors on `device`."""
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return ChatBatch(**moved, joint=self.joint)


class ChatBatches(Dataset[ChatBatch]):
    """All batches of a run, for one of its processes."""

    def __init__(
        self, config: ChatConfig, encoder: ConversationEncoder, rank: int = 0, processes: int = 1
    ) -> None:
        """Open the cache of scenes.

        Raises LGVIError where it is empty, or the processes cannot share a step evenly.
        """
        self.config, self.encoder = config, encoder
        self.rank, self.processes = rank, processes
        for name in ("batch", "apart_pictures", "apart_talks"):
            if getattr(config.data, name) % processes:
                raise LGVIError(
                    f"a step of {getattr(config.data, name)} samples cannot be shared evenly by "
                    f"{processes} processes: change data.{name}"
                )
        self.cache = SceneCache(config.data.cache)
        self.joint_from = round(config.apart_until * config.max_steps)

    def __len__(self) -> int:
        return self.config.max_steps

    def __getitem__(self, step: int) -> ChatBatch:
        turns = int(self._rng(step).choice(self.config.data.turns))
        joint = step >= self.joint_from
        pictures, columns = [], []
        data = self.config.data
        for place in self._places(data.batch if joint else data.apart_talks):
            rng = self._rng(step, place)
            scene, present = self._scene(rng)
            objects = [self.cache.objects(scene)[i] for i in present]
            if joint:
                picture, objects = self._picture(rng, scene, present)
                pictures.append(picture)
            columns.append(self._text(rng, objects, turns, images=int(joint)))
        if not joint:
            for place in self._places(data.apart_pictures):
                rng = self._rng(step, place, 1)
                pictures.append(self._picture(rng, *self._scene(rng))[0])
        pixels, attributes, order = (torch.stack(x) for x in zip(*pictures, strict=True))
        tokens, labels = zip(*columns, strict=True)
        pad = self.encoder.tokenizer.pad_token_id
        return ChatBatch(
            pixels, pad_rows(tokens, pad), pad_rows(labels, IGNORED), attributes, order, joint
        )

    def _rng(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, *numbers])

    def _places(self, size: int) -> range:
        """Return the numbers of this process's samples among the `size` of a step."""
        own = size // self.processes
        return range(self.rank * own, (self.rank + 1) * own)

    def _scene(self, rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
        """Draw the number of a scene, and the indices of those of its objects that are present."""
        scene = int(rng.integers(len(self.cache)))
        return scene, self._present(rng, len(self.cache.objects(scene)))

    def _picture(
        self, rng: np.random.Generator, scene: int, present: tuple[int, ...]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], list[SceneObject]]:
        """Return pixels, attributes and order of one picture, and its objects.

        The picture is shifted by up to half a patch and mirrored at random. Otherwise a small
        vision tower would memorise how the cached objects lie among its patches.
        """
        frame, masks = self.cache.picture(scene, present)
        objects = [self.cache.objects(scene)[i] for i in present]
        if rng.random() < 0.5:
            aspect = frame.shape[1] / frame.shape[0]
            frame, masks = frame[:, ::-1], masks[:, ::-1]
            objects = [mirrored(thing, aspect) for thing in objects]
        reach = self.encoder.patch_size // 2
        top, left = rng.integers(0, 2 * reach + 1, 2)
        frame, masks = (
            np.pad(part, ((reach, reach), (reach, reach), (0, 0)), mode="edge")[
                top : top + frame.shape[0], left : left + frame.shape[1]
            ]
            for part in (frame, masks)
        )
        shown, covered = (torch.from_numpy(part.copy()) for part in (frame, masks))
        attributes, order = patch_targets(self.encoder.coverage(covered), objects)
        return (self.encoder.pixels(shown[None])[0], attributes, order), objects

    def _text(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], turns: int, images: int
    ) -> tuple[Tensor, Tensor]:
        """Return the tokens and labels of a conversation about a picture of `objects`."""
        free = rng.random() < self.config.data.free_share if self.config.data.free_share else False
        talk = converse_freely(rng, objects, turns) if free else converse(rng, objects, turns)
        tokens, labels = self.encoder.encode_conversation(talk, images)
        return torch.tensor(tokens), torch.tensor(labels)

    def _present(self, rng: np.random.Generator, count: int) -> tuple[int, ...]:
        if rng.random() < self.config.data.empty_share:
            return ()
        if count > 1 and rng.random() < self.config.data.fewer_share:
            count -= 1
            return tuple(sorted(rng.permutation(count + 1)[:count].tolist()))
        return tuple(range(count))


def mirrored(thing: SceneObject, aspect: float) -> SceneObject:
    """Return the object as in the mirror image of a picture of that `aspect` (width / height)."""
    path = np.stack([aspect - thing.path[:, 0], thing.path[:, 1]], axis=1)
    return replace(thing, path=path, tilt=-thing.tilt, mirrored=not thing.mirrored)


def patch_targets(coverage: Tensor, objects: Sequence[SceneObject]) -> tuple[Tensor, Tensor]:
    """Return a picture's `attributes` and `order`; see `ChatBatch`.

    `coverage` [n, side, side], 0 to 1, is the share of each patch that an object covers; the first
    channels are those of `objects`, in their order.
    """
    order = torch.zeros(coverage.shape[1:], dtype=torch.long)
    if not objects:
        return torch.full((2 + FLAGS, 1, *coverage.shape[1:]), IGNORED_LABEL), order
    masks = (coverage[: len(objects), None] / MIN_COVERAGE * 128).clamp(max=255).to(torch.uint8)
    cover, index = masks[:, 0].max(0)
    ranks = torch.empty(len(objects), dtype=torch.long)
    ranks[from_left(objects)] = torch.arange(1, len(objects) + 1)
    order = torch.where(cover >= 128, ranks[index], order)
    return attribute_map(masks, objects), order


def pad_rows(rows: Sequence[Tensor], value: int) -> Tensor:
    """Pad rows of different lengths on the right with `value`, and stack them to [b, n]."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)
