"""What every reader gives: a clip before and after a removal, and the sentence that asks for it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from .drawn.scenes import SceneObject


class BrokenSample(Exception):
    """A sample that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Sample:
    """One removal task. Frames are uint8 RGB [f, h, w, 3], masks uint8 [f, h, w].

    `source` shows everything, `target` the scene without what goes; `mask` is 255 on what goes
    and empty where the sentence names nothing that is there. `name` says where it comes from,
    `kind` which kind of expression it is ("" where that is unknown).

    `turns` are (request, reply) of a conversation that asks for the same, where the data has one.

    Known of generated clips only: `object_masks` [n, f, h, w] of every object in the source,
    `removed`, the indices of those that go, `without`, by index of each kept object, the target
    without that object too, and `objects`, what they are.
    """

    source: np.ndarray
    target: np.ndarray
    mask: np.ndarray
    sentence: str
    name: str
    kind: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    object_masks: np.ndarray | None = None
    removed: tuple[int, ...] = ()
    without: dict[int, np.ndarray] = field(default_factory=dict)
    objects: "tuple[SceneObject, ...]" = ()


class Reader(Protocol):
    """Random access to a data set. Nothing is read before it is asked for."""

    def __len__(self) -> int: ...

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """Sample `index` with `frames` frames at the data's own size.

        `rng` chooses among frames and sentences, so that the same seed reads the same. Raises
        BrokenSample where a file is missing, damaged or does not fit the others.
        """
        ...

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """An epoch's order: every index once, in the random order that reads fastest."""
        ...
