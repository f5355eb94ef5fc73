"""From conversations and pictures to what the chat model reads and learns."""

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
from ..data.language.prompts import told
from .config import ChatConfig
from .frames import MOST_OBJECTS

IGNORED = -100
"""The label of a token that no loss counts."""


@dataclass(frozen=True)
class ConversationEncoder:
    """What turns text and pictures into the model's inputs."""

    tokenizer: Any
    image_token: int
    image_size: int
    patch_size: int
    format: ChatFormat

    @property
    def side(self) -> int:
        """Patches along a picture's side."""
        return self.image_size // self.patch_size

    def ids(self, text: str) -> list[int]:
        return encode(self.tokenizer, text, self.image_token, self.side**2)

    def prefix(self, turns: Sequence[LabelledTurn], number: int, images: int) -> str:
        """The text up to where the reply of turn `number` begins."""
        history = [Turn(turn.request, turn.reply) for turn in turns[:number]]
        request = turns[number].request
        return render(request, history, images, self.format.system_prompt)

    def with_labels(
        self, turns: Sequence[LabelledTurn], images: int
    ) -> tuple[list[int], list[int]]:
        """Ids of a whole conversation, and the same with all but the replies IGNORED.

        Without pictures what only they could tell is IGNORED too.
        """
        text, learnt = "", set()
        for number, turn in enumerate(turns):
            text = self.prefix(turns, number, images)
            whole = f"{text} {turn.reply}{END_OF_REPLY}"
            learnt |= {*range(len(text), len(whole))}
            for part in () if images else told(turn.reply):
                learnt -= {*range(len(text) + part.start, len(text) + 1 + part.stop)}
            text = whole
        ids, starts = self.ids(text), token_starts(self.tokenizer, text, self.side**2)
        labels = [i if at in learnt else IGNORED for i, at in zip(ids, starts, strict=True)]
        return ids, labels

    def pixels(self, frames: Tensor) -> Tensor:
        """[m, 3, s, s] of float frames [f, h, w, 3] in 0..1."""
        return prepare_pixels(frames, self.image_size, self.format.framing, self.format.frames)

    def coverage(self, masks: Tensor) -> Tensor:
        """How much of every patch [n, side, side] each of three masks [h, w, n] covers."""
        nothing, unit = (0.0,) * MOST_OBJECTS, (1.0,) * MOST_OBJECTS
        size, framing = self.image_size, self.format.framing
        shown = prepare_pixels(masks[None], size, framing, mean=nothing, std=unit)
        return F.avg_pool2d(shown, self.patch_size)[0]


def chat_format(config: ChatConfig) -> ChatFormat:
    """What the model is trained to read: the whole of one frame."""
    return ChatFormat(
        system_prompt=config.system_prompt, framing="letterbox", frames=1, features="to_mark"
    )


def encoder_for(config: ChatConfig, llava: LlavaConfig, tokenizer: Any) -> ConversationEncoder:
    """The encoder of a run's conversations, for a network of that configuration."""
    vision: Any = llava.vision_config
    image_token = tokenizer.convert_tokens_to_ids(IMAGE)
    return ConversationEncoder(
        tokenizer, image_token, vision.image_size, vision.patch_size, chat_format(config)
    )
