"""Encoding of conversations and frames as the chat model's inputs and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from transformers import LlavaConfig

from lgvi_core.chat.conversation import END_OF_REPLY, IMAGE, Turn, render
from lgvi_core.chat.format import ChatFormat
from lgvi_core.chat.tokens import encode, token_starts
from lgvi_core.chat.vision import prepare_pixels

from ..data.language.conversations import LabelledTurn
from ..data.language.prompts import seen_parts
from .config import ChatConfig
from .frames import MOST_OBJECTS

IGNORED = -100
"""Label of a token that the loss leaves out."""


@dataclass(frozen=True)
class ConversationEncoder:
    """Encoder of conversations and frames for one chat model; sizes are in pixels."""

    tokenizer: Any
    image_token: int
    image_size: int
    patch_size: int
    format: ChatFormat

    @property
    def side(self) -> int:
        """Number of patches along an image's side."""
        return self.image_size // self.patch_size

    def ids(self, text: str) -> list[int]:
        """Return the token ids of a rendered conversation."""
        return encode(self.tokenizer, text, self.image_token, self.side**2)

    def text_before_reply(self, turns: Sequence[LabelledTurn], number: int, images: int) -> str:
        """Return the text of the conversation up to where the reply of turn `number` begins."""
        history = [Turn(turn.request, turn.reply) for turn in turns[:number]]
        request = turns[number].request
        return render(request, history, images, self.format.system_prompt)

    def encode_conversation(
        self, turns: Sequence[LabelledTurn], images: int
    ) -> tuple[list[int], list[int]]:
        """Return the token ids of a whole conversation, and its labels: IGNORED but in replies.

        Without images, those parts of a reply that only an image could tell are IGNORED too.
        """
        text = ""
        learnt: set[int] = set()
        seen: set[int] = set()
        for number, turn in enumerate(turns):
            text = self.text_before_reply(turns, number, images)
            whole = f"{text} {turn.reply}{END_OF_REPLY}"
            learnt |= {*range(len(text), len(whole))}
            for part in () if images else seen_parts(turn.reply):
                begin = len(text) + 1  # a space comes before the reply
                seen |= {*range(begin + part.start, begin + part.stop)}
            text = whole
        ids, starts = self.ids(text), token_starts(self.tokenizer, text, self.side**2)
        # Where a token begins with a space, its word decides.
        words = [at + 1 if text[at : at + 1] == " " else at for at in starts]
        labels = [
            token if at in learnt and word not in seen else IGNORED
            for token, at, word in zip(ids, starts, words, strict=True)
        ]
        return ids, labels

    def pixels(self, frames: Tensor) -> Tensor:
        """Return the images [m, 3, s, s] of `frames` [f, h, w, 3], float 0 to 1."""
        return prepare_pixels(frames, self.image_size, self.format.framing, self.format.frames)

    def coverage(self, masks: Tensor) -> Tensor:
        """Return the share of every patch that each mask covers, [n, side, side], 0 to 1.

        `masks` are float [h, w, n], 0 to 1, where n is MOST_OBJECTS.
        """
        nothing, unit = (0.0,) * MOST_OBJECTS, (1.0,) * MOST_OBJECTS
        size, framing = self.image_size, self.format.framing
        shown = prepare_pixels(masks[None], size, framing, mean=nothing, std=unit)
        return F.avg_pool2d(shown, self.patch_size)[0]


def chat_format(config: ChatConfig) -> ChatFormat:
    """Return the format that a run's model is trained in: the whole of one frame."""
    return ChatFormat(
        system_prompt=config.system_prompt, framing="letterbox", frames=1, features="to_mark"
    )


def encoder_for(config: ChatConfig, llava: LlavaConfig, tokenizer: Any) -> ConversationEncoder:
    """Return the encoder of a run's conversations, for a network of the configuration `llava`."""
    vision: Any = llava.vision_config
    image_token = tokenizer.convert_tokens_to_ids(IMAGE)
    return ConversationEncoder(
        tokenizer, image_token, vision.image_size, vision.patch_size, chat_format(config)
    )
