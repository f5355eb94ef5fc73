"""Batches with conversations in place of sentences."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lgvi_core.chat.features import prompt_span
from lgvi_core.chat.marks import find_prompt
from lgvi_core.chat.tokens import decode

from ..batches import Batch, Batches, CachedBatches, ChatInput, ReaderBatches, collate, fit_frames
from ..chat.batches import IGNORED, Reading
from ..data.conversations import Turn, converse
from ..data.expressions import Emphasis, sample_pair
from ..data.prompts import MARKS
from ..data.sample import BrokenSample, Sample
from ..data.scenes import SceneObject, draw_scene, select_frames
from ..latent_cache import LatentScene

TURNS = (1, 2)
SILENT = 0.1  # share of conversations that end without a prompt; their text counts as withheld
TRIES = 20  # conversations drawn until one is of the kind that is wanted


class ConversationInput(Batches):
    """What both kinds of batches do with a conversation; `reading` is set before the first one."""

    reading: Reading

    def chat_columns(self, turns: Sequence[Turn], frames: Tensor) -> dict[str, Tensor]:
        """One sample's part of a ChatInput. `frames` [f, h, w, 3] in 0..1.

        Where the last reply has no prompt, nothing is `inside`.
        """
        reading = self.reading
        pixels = reading.pixels(frames)
        tokens, labels = reading.with_labels(turns, images=len(pixels))
        begin = len(labels) - next(i for i, x in enumerate(reversed(labels)) if x == IGNORED)
        reply = tokens[begin:-1]  # without the end token

        found = find_prompt(reply, partial(decode, reading.tokenizer))
        span = range(0) if found is None else prompt_span(found, len(reply), reading.format)
        length = reading.format.feature_length
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

    def _collate(self, samples: list[dict[str, Any]]) -> Batch:
        chats = [sample["text"] for sample in samples]
        columns = {name: [chat[name] for chat in chats] for name in ChatInput._fields}
        # No token that counts comes after it. LLaVA 1.5's own padding is its pictures' token.
        pad = self.reading.tokenizer.eos_token_id
        text = ChatInput(
            tokens=pad_sequence(columns["tokens"], batch_first=True, padding_value=pad),
            labels=pad_sequence(columns["labels"], batch_first=True, padding_value=IGNORED),
            **{name: torch.stack(columns[name]) for name in ("pixels", "span", "inside")},
        )
        batch = collate([{**sample, "text": torch.empty(0)} for sample in samples], text=text)
        return replace(batch, has_text=batch.has_text & text.inside.any(1))


class JointCachedBatches(ConversationInput, CachedBatches):
    """Generated conversations about scenes whose latents are cached."""

    def _ask(
        self, rng: np.random.Generator, objects: Sequence[SceneObject], emphasis: Emphasis
    ) -> tuple[tuple[int, ...], tuple[int, ...], Any]:
        present, removed = sample_pair(rng, len(objects), emphasis=emphasis)
        shown = [objects[i] for i in present]
        silent = rng.random() < SILENT
        for _ in range(TRIES):
            turns = converse(rng, shown, int(rng.choice(TURNS)))
            if turns[-1].has_prompt != silent:
                break
        if turns[-1].has_prompt:
            removed = tuple(present[i] for i in turns[-1].removed)
        return present, removed, turns

    def _words(
        self,
        words: Any,
        item: LatentScene,
        chosen: np.ndarray,
        present: tuple[int, ...],
        has_text: bool,
    ) -> Any:
        scene = select_frames(item.scene, chosen)
        height, width = (8 * side for side in item.latents.shape[-2:])
        frames = draw_scene(scene, height, width).compose(present)
        return self.chat_columns(words, torch.from_numpy(frames).float() / 255)


class JointReaderBatches(ConversationInput, ReaderBatches):
    """A data set's own conversations, or its sentences where it has none."""

    def _words(self, sample: Sample, has_text: bool, rng: np.random.Generator) -> Any:
        turns = sample.turns
        if not turns:
            reply = f"Sure. {MARKS[0]} {sample.sentence} {MARKS[1]}"
            turns = ((sample.sentence, reply),)
        talk = [Turn(request, reply, (), "") for request, reply in turns]
        frames = fit_frames(sample.source, self.data.size)
        columns = self.chat_columns(talk, torch.from_numpy(frames).float() / 255)
        if not columns["inside"].any():
            raise BrokenSample(f"{sample.name}: a reply without prompt: {talk[-1].reply[:80]!r}")
        return columns
