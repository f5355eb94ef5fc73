"""Sources of the text that a batch gives to cross-attention for each sample."""

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
"""Number of sentences whose tokens are cached."""


@dataclass(frozen=True)
class Question:
    """A request about a drawn scene."""

    present: tuple[int, ...]
    """Indices of the objects that the source shows."""
    removed: tuple[int, ...]
    """Indices of the objects to remove."""
    request: Any
    """The request itself: a sentence, or a conversation."""


class TextSource(Protocol):
    """The source of a batch's text: sentences for LGVI, conversations for LGVI-I.

    Texts of single samples may have any type that the source's own `collate` takes.
    """

    def ask(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], emphasis: Emphasis
    ) -> Question:
        """Make up a question about a drawn scene of `objects`."""
        ...

    def of_scene(
        self, question: Question, scene: LatentScene, frames: np.ndarray, has_text: bool
    ) -> Any:
        """The text of a question about the frames of a drawn scene with the indices `frames`."""
        ...

    def of_sentence(self, sentence: str) -> Any:
        """The text of a bare sentence. Raises LGVIError if the source needs more than that."""
        ...

    def of_sample(self, sample: Sample, has_text: bool, size: tuple[int, int]) -> Any:
        """The text of a data set's sample, whose frames are cropped to `size` (height, width).

        Raises BrokenSample if the sample has no usable text.
        """
        ...

    def collate(self, texts: Sequence[Any]) -> tuple[Tensor | ChatInput, Tensor]:
        """The texts of a batch's samples as one, and bool [b]: False for a text with no request."""
        ...


class Sentences:
    """The TextSource of LGVI: CLIP's tokens of one sentence per sample, or of "" if withheld."""

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
        return self._tokens(question.request if has_text else "")

    def of_sentence(self, sentence: str) -> Tensor:
        """CLIP's token ids of a sentence [77]."""
        return self._tokens(sentence)

    def of_sample(self, sample: Sample, has_text: bool, size: tuple[int, int]) -> Tensor:
        return self._tokens(sample.sentence if has_text else "")

    def collate(self, texts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return torch.stack(list(texts)), torch.ones(len(texts), dtype=torch.bool)

    def _tokens(self, sentence: str) -> Tensor:
        """CLIP's token ids of a sentence [77], cut off or padded."""
        if sentence not in self._known:
            if len(self._known) >= KNOWN_SENTENCES:
                self._known.clear()
            ids = self.tokenizer(
                sentence, padding="max_length", max_length=77, truncation=True
            ).input_ids
            self._known[sentence] = torch.tensor(ids)
        return self._known[sentence]
