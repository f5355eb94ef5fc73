"""Conversations in place of sentences: the text of LGVI-I's batches (Sec. 4.2)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lgvi_core.chat.features import prompt_span
from lgvi_core.chat.marks import find_prompt
from lgvi_core.chat.tokens import decode
from lgvi_core.errors import LGVIError
from lgvi_core.latents import LATENT_PIXELS

from ..chat.encoder import IGNORED, ConversationEncoder
from ..data.drawn.scenes import SceneObject, draw_scene, select_frames
from ..data.language.conversations import LabelledTurn, converse
from ..data.language.expressions import Emphasis, sample_pair
from ..data.language.prompts import MARKS
from ..data.pictures import cover_and_crop
from ..data.sample import BrokenSample, Reader, Sample
from ..lgvi.batch import ChatInput
from ..lgvi.latent_cache import LatentScene
from ..lgvi.text import Question

TURNS = (1, 2)
"""Possible lengths, in turns, of the conversations about generated scenes."""
SILENT_SHARE = 0.1
"""Share of conversations that shall end without a prompt; their text counts as withheld."""
ATTEMPTS = 20
"""Greatest number of conversations generated to get one that ends as wanted."""

ChatColumns = dict[str, Tensor]
"""One sample's part of a `ChatInput`, keyed by the names of its fields."""


def invented_replies(readers: Sequence[Reader]) -> str:
    """How many samples have no conversation, so that their replies are made of their sentence.

    The text is empty if all have one.
    """
    total, counts = sum(map(len, readers)), [reader.conversations() for reader in readers]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return f"up to {total - sum(known)} of {total}: an index of shards does not say which"
    return "" if sum(known) == total else f"{total - sum(known)} of {total}"


class Conversations:
    """The `TextSource` of LGVI-I: conversations, and which of their states become text features."""

    def __init__(self, encoder: ConversationEncoder) -> None:
        self.encoder = encoder

    def ask(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], emphasis: Emphasis
    ) -> Question:
        present, removed = sample_pair(rng, len(objects), emphasis=emphasis)
        shown = [objects[i] for i in present]
        silent = rng.random() < SILENT_SHARE
        for _ in range(ATTEMPTS):
            turns = converse(rng, shown, int(rng.choice(TURNS)))
            if turns[-1].has_prompt != silent:
                break
        if turns[-1].has_prompt:
            removed = tuple(present[i] for i in turns[-1].removed)
        return Question(present, removed, turns)

    def of_scene(
        self, question: Question, scene: LatentScene, frames: np.ndarray, has_text: bool
    ) -> ChatColumns:
        height, width = (LATENT_PIXELS * side for side in scene.latents.shape[-2:])
        layers = draw_scene(select_frames(scene.scene, frames), height, width)
        shown = torch.from_numpy(layers.compose(question.present)).float() / 255
        return self.columns(question.request, shown)

    def of_sentence(self, sentence: str) -> ChatColumns:
        """See `TextSource`; a conversation needs its scene."""
        raise LGVIError("LGVI-I learns from conversations: leave data.collages out")

    def of_sample(self, sample: Sample, has_text: bool, size: tuple[int, int]) -> ChatColumns:
        """Encode the data set's own conversation, or one made from its sentence if it has none.

        Raises BrokenSample where the last reply has no prompt.
        """
        turns = sample.turns
        if not turns:
            reply = f"Sure. {MARKS[0]} {sample.sentence} {MARKS[1]}"
            turns = ((sample.sentence, reply),)
        conversation = [LabelledTurn(request, reply, (), "") for request, reply in turns]
        frames = torch.from_numpy(cover_and_crop(sample.source, size)).float() / 255
        columns = self.columns(conversation, frames)
        if not columns["inside"].any():
            raise BrokenSample(
                f"{sample.name}: a reply without prompt: {conversation[-1].reply[:80]!r}"
            )
        return columns

    def columns(self, turns: Sequence[LabelledTurn], frames: Tensor) -> ChatColumns:
        """Encode a conversation about `frames` [f, h, w, 3], float 0 to 1.

        `inside` is False everywhere where the last reply has no prompt.
        """
        encoder = self.encoder
        pixels = encoder.pixels(frames)
        tokens, labels = encoder.encode_conversation(turns, images=len(pixels))
        begin = len(labels) - next(i for i, x in enumerate(reversed(labels)) if x == IGNORED)
        reply = tokens[begin:-1]  # without the end token

        found = find_prompt(reply, partial(decode, encoder.tokenizer))
        span = range(0) if found is None else prompt_span(found, len(reply), encoder.format)
        length = encoder.format.feature_length
        assert length is not None
        positions = torch.zeros(length, dtype=torch.long)
        positions[: len(span)] = torch.arange(begin + span.start, begin + span.stop)
        return {
            "tokens": torch.tensor(tokens),
            "labels": torch.tensor(labels),
            "pixels": pixels,
            "span": positions,
            "inside": torch.arange(length) < len(span),
        }

    def collate(self, texts: Sequence[ChatColumns]) -> tuple[ChatInput, Tensor]:
        columns: dict[str, Any] = {
            name: [text[name] for text in texts] for name in ChatInput._fields
        }
        # Any token serves, as none that counts follows it, except the padding token of LLaVA 1.5,
        # which is its image token.
        pad = self.encoder.tokenizer.eos_token_id
        text = ChatInput(
            tokens=pad_sequence(columns["tokens"], batch_first=True, padding_value=pad),
            labels=pad_sequence(columns["labels"], batch_first=True, padding_value=IGNORED),
            **{name: torch.stack(columns[name]) for name in ("pixels", "span", "inside")},
        )
        return text, text.inside.any(1)
