"""What the batches say about each clip: a source of text for cross-attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from ..data.drawn.scenes import SceneObject
from ..data.language.expressions import Emphasis, describe_removal, sample_pair
from ..data.sample import Sample
from .batch import ChatInput
from .latent_cache import LatentScene

KNOWN_SENTENCES = 10_000
"""How many sentences are kept with their tokens."""


@dataclass(frozen=True)
class Question:
    """What is asked about a drawn scene.

    `present` are the numbers of the objects that the source shows, `removed` of those that go, and
    `words` what says so: a sentence, or a conversation.
    """

    present: tuple[int, ...]
    removed: tuple[int, ...]
    words: Any


class TextSource(Protocol):
    """Where a batch's text comes from: sentences for LGVI, conversations for LGVI-I.

    The texts of single samples are whatever `collate` takes.
    """

    def ask(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], emphasis: Emphasis
    ) -> Question:
        """A question about a drawn scene of `objects`."""
        ...

    def of_scene(
        self, question: Question, scene: LatentScene, frames: np.ndarray, has_text: bool
    ) -> Any:
        """The text of a question about some `frames`, by number, of a drawn scene."""
        ...

    def of_sample(self, sample: Sample, has_text: bool, size: tuple[int, int]) -> Any:
        """The text of a data set's sample, whose frames are cut to `size` (height, width).

        Raises BrokenSample where the sample has no usable one.
        """
        ...

    def collate(self, texts: Sequence[Any]) -> tuple[Tensor | ChatInput, Tensor]:
        """The texts of a batch's samples together, and [b] whether each names anything."""
        ...


class Sentences:
    """The TextSource of LGVI: CLIP's tokens of one sentence a clip, "" where it is withheld."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        self.tokenizer = tokenizer
        self._known: dict[str, Tensor] = {}

    def ask(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], emphasis: Emphasis
    ) -> Question:
        present, removed = sample_pair(rng, len(objects), emphasis=emphasis)
        request = describe_removal(rng, objects, present, removed, emphasis=emphasis)
        return Question(present, request.removed, request.sentence)

    def of_scene(
        self, question: Question, scene: LatentScene, frames: np.ndarray, has_text: bool
    ) -> Tensor:
        return self._tokens(question.words if has_text else "")

    def of_sample(self, sample: Sample, has_text: bool, size: tuple[int, int]) -> Tensor:
        return self._tokens(sample.sentence if has_text else "")

    def collate(self, texts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return torch.stack(list(texts)), torch.ones(len(texts), dtype=torch.bool)

    def _tokens(self, sentence: str) -> Tensor:
        """CLIP's 77 token ids of a sentence, padded with the end token."""
        if sentence not in self._known:
            if len(self._known) >= KNOWN_SENTENCES:
                self._known.clear()
            ids = self.tokenizer(
                sentence, padding="max_length", max_length=77, truncation=True
            ).input_ids
            self._known[sentence] = torch.tensor(ids)
        return self._known[sentence]
