"""Collages with a request, which are drawn when they are read, as a data set."""

from pathlib import Path

import numpy as np

from ..collage.nouns import unknown_nouns
from ..collage.scenes import CollageLayers, draw_collage, sample_collage
from ..language.naming import View
from ..language.requests import ask
from ..sample import Sample
from .seeded import SeededReader

_STREAM = 31  # of the seeds, so that no other drawing shares them
_SPLITS = {"train": 0, "held-out": 1}


class CollageReader(SeededReader):
    """Reader of the collages `first` to `first + count - 1` of a split, drawn at `size` (h, w).

    The splits "train" and "held-out" share no scene, but their pictures and wording are the same:
    held-out ones show how far the training has come, not how well a model does elsewhere.
    `folder` is that of `train.data.collage.fetch`; `frames` fixes the number of frames whatever is
    asked for. Raises LGVIError if files are missing.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        size: tuple[int, int],
        count: int,
        first: int = 0,
        frames: int | None = None,
    ) -> None:
        super().__init__(count, first, frames)
        self.folder, self.split, self.size = folder, split, size
        self.unknown = unknown_nouns(folder)

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """See `Reader.read`; the clip's number is its seed, and `rng` is not used."""
        if not 0 <= index < self.count:
            raise IndexError(f"collage {index} of {self.count}")
        own = np.random.default_rng([_STREAM, _SPLITS[self.split], self.first + index])
        height, width = self.size
        collage = sample_collage(own, self.folder, self.frames or frames, width / height)
        layers = draw_collage(collage, height, width)
        things = collage.things
        shares = layers.shares().max(1) if things else np.zeros(0)
        view = View(things, shares, collage.backdrop.shows)
        present = tuple(range(len(things)))
        request = ask(own, view, present, lambda kept: True, self.unknown)
        return compose_request(
            layers,
            request.removed,
            request.sentence,
            request.kind,
            f"{self.split} collage {self.first + index}",
        )


def compose_request(
    layers: CollageLayers, removed: tuple[int, ...], sentence: str, kind: str, name: str
) -> Sample:
    """Compose a sample: the collage with all things, and without those `removed` (indices)."""
    present = tuple(range(len(layers.objects)))
    kept = tuple(i for i in present if i not in removed)
    covers = layers.masks()
    mask, free = np.zeros(layers.background.shape[:3], np.float32), np.ones(1, np.float32)
    for index in reversed(present):
        if index in removed:
            mask += covers[index] * free
        free = free * (1 - covers[index])
    return Sample(
        source=layers.compose(present),
        target=layers.compose(kept),
        mask=np.round(mask * 255).astype(np.uint8),
        sentence=sentence,
        name=name,
        kind=kind,
        object_masks=np.round(covers * 255).astype(np.uint8),
        removed=removed,
        without={i: layers.compose(tuple(k for k in kept if k != i)) for i in kept},
    )
