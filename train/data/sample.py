"""The sample that every reader returns: a clip before and after a removal, and the request."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .naming import Described

if TYPE_CHECKING:
    from .drawn.scenes import SceneObject


Conversation = tuple[tuple[str, str], ...]
"""Turns of (request, reply)."""


class BrokenSample(Exception):
    """Raised for a sample that cannot be used; the message names the sample and the reason."""


def check_clip(sample: "Sample", frames: int) -> None:
    """Raise BrokenSample for a picture where a clip of `frames` frames is to be trained on."""
    if frames > 1 and len(sample.source) < 2:
        raise BrokenSample(
            f"{sample.name}: has one frame, so it is no clip: list pictures under data.images"
        )


@dataclass(frozen=True)
class Sample:
    """One removal task: a clip, its target, and the request in words.

    Only generated clips have what follows `conversations`.
    """

    source: np.ndarray
    """Frames with all objects, uint8 RGB [f, h, w, 3]."""
    target: np.ndarray
    """The same frames without the objects to remove."""
    mask: np.ndarray
    """Coverage of the objects to remove, uint8 [f, h, w] in 0 to 255; 0 if there are none."""
    sentence: str
    """The request as one sentence; it may name something that is not there."""
    name: str
    """Origin of the sample, for messages."""
    kind: str = ""
    """Kind of expression that the sentence uses; empty if unknown."""
    turns: Conversation = ()
    """A conversation that asks for the same, if the data has one."""
    sentences: tuple[str, ...] = ()
    """All sentences of the data that ask for the same; `sentence` is one. Empty if it is alone."""
    conversations: tuple[Conversation, ...] = ()
    """All conversations of the data that ask for the same; `turns` is one of them."""
    object_masks: np.ndarray | None = None
    """Coverage of every object in the source, uint8 [n, f, h, w]."""
    removed: tuple[int, ...] = ()
    """Indices of the objects to remove."""
    without: dict[int, np.ndarray] = field(default_factory=dict)
    """For each kept object's index, the target without that object as well."""
    objects: "tuple[SceneObject, ...]" = ()
    """The objects in the source."""
    strata: tuple[str, ...] = ()
    """Groups of figures that the sample counts for, in an evaluation that reports them."""
    pair_of: str = ""
    """Name of the sample with the canonical sentence for the same request; empty if none."""
    described: tuple[Described, ...] = ()
    """What the source shows, where a reply's words have to be understood and `objects` is empty."""


class Reader(Protocol):
    """Random access to the samples of a data set; each is read when it is asked for."""

    def __len__(self) -> int: ...

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """Read sample `index` with `frames` frames, at the size that the data set has.

        A clip that has fewer comes with all of its frames. `rng` chooses among the possible frames
        and sentences, so the same seed reads the same sample. Raises BrokenSample if a file is
        missing, damaged or does not fit the others.
        """
        ...

    def conversations(self) -> int | None:
        """How many samples bring a conversation; None if only reading them would tell."""
        ...

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """An epoch's order: every index once, at random as far as that reads efficiently."""
        ...
