"""Batches for the chat model, by number: batch n is the same whenever and wherever it is made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lgvi_core.errors import LGVIError

from ..data.drawn.scenes import SceneObject
from ..data.language.conversations import converse
from ..data.language.prompts import from_left
from ..lgvi.attributes import FLAGS, NONE, attribute_map
from .config import ChatConfig
from .encoder import IGNORED, ConversationEncoder
from .frames import FrameCache

COVERED = 0.25  # from this share of a patch on an object counts as shown there


@dataclass(frozen=True)
class ChatBatch:
    """One process's part of a step.

    `pixels` [p, 3, s, s], p is b where `joint`; `tokens` and `labels` [b, n], padded on the right;
    `attributes` [p, 2 + FLAGS, 1, side, side] as in `train.attributes`; `order` [p, side, side]:
    the place from the left, from 1 on, of the object that a patch shows, 0 for none. `joint` says
    whether the tokens have places for the pictures.
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
        """How many pictures it holds."""
        return len(self.pixels)

    def to(self, device: torch.device) -> "ChatBatch":
        """The batch on a device."""
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return ChatBatch(**moved, joint=self.joint)


class ChatBatches(Dataset[ChatBatch]):
    """The run's batches for one of several processes."""

    def __init__(
        self, config: ChatConfig, encoder: ConversationEncoder, rank: int = 0, processes: int = 1
    ) -> None:
        self.config, self.encoder = config, encoder
        self.rank, self.processes = rank, processes
        for name in ("batch", "apart_pictures", "apart_talks"):
            if getattr(config.data, name) % processes:
                raise LGVIError(
                    f"a step of {getattr(config.data, name)} samples cannot be shared evenly by "
                    f"{processes} processes: change data.{name}"
                )
        self.cache = FrameCache(config.data.cache)
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
            pixels, padded(tokens, pad), padded(labels, IGNORED), attributes, order, joint
        )

    def _rng(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, *numbers])

    def _places(self, size: int) -> range:
        """This process's share of a step's samples."""
        own = size // self.processes
        return range(self.rank * own, (self.rank + 1) * own)

    def _scene(self, rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
        """A scene, and which of its objects are there."""
        scene = int(rng.integers(len(self.cache)))
        return scene, self._present(rng, len(self.cache.objects(scene)))

    def _picture(
        self, rng: np.random.Generator, scene: int, present: tuple[int, ...]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], list[SceneObject]]:
        """Pixels, attributes and order of one picture, and its objects.

        Shifted by up to half a patch and mirrored at random: a small tower would learn by heart
        how the objects of the cache lie among its patches.
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
        """Tokens and labels of a conversation about a picture of `objects`."""
        tokens, labels = self.encoder.with_labels(converse(rng, objects, turns), images)
        return torch.tensor(tokens), torch.tensor(labels)

    def _present(self, rng: np.random.Generator, count: int) -> tuple[int, ...]:
        if rng.random() < self.config.data.empty_share:
            return ()
        if count > 1 and rng.random() < self.config.data.fewer_share:
            count -= 1
            return tuple(sorted(rng.permutation(count + 1)[:count].tolist()))
        return tuple(range(count))


def mirrored(thing: SceneObject, aspect: float) -> SceneObject:
    """The object as a mirror image of a picture of that aspect shows it."""
    path = np.stack([aspect - thing.path[:, 0], thing.path[:, 1]], axis=1)
    return replace(thing, path=path, tilt=-thing.tilt, mirrored=not thing.mirrored)


def patch_targets(coverage: Tensor, objects: Sequence[SceneObject]) -> tuple[Tensor, Tensor]:
    """A picture's `attributes` and `order` (see ChatBatch) from its patches' coverage."""
    order = torch.zeros(coverage.shape[1:], dtype=torch.long)
    if not objects:
        return torch.full((2 + FLAGS, 1, *coverage.shape[1:]), NONE), order
    masks = (coverage[: len(objects), None] / COVERED * 128).clamp(max=255).to(torch.uint8)
    cover, index = masks[:, 0].max(0)
    ranks = torch.empty(len(objects), dtype=torch.long)
    ranks[from_left(objects)] = torch.arange(1, len(objects) + 1)
    order = torch.where(cover >= 128, ranks[index], order)
    return attribute_map(masks, objects), order


def padded(rows: Sequence[Tensor], value: int) -> Tensor:
    """[b, n] of rows of different lengths, filled up on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)
