"""Measurement of how often a chat model names the right objects in held-out conversations.

The history of each turn holds the model's own earlier replies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lgvi_core.chat.conversation import Turn, render
from lgvi_core.chat.marks import Prompt, find_prompts

from ..data.drawn.numbered import FRAME_SIZES, scene_of
from ..data.drawn.scenes import SceneObject, draw_scene
from ..data.language.conversations import Conversation, LabelledTurn, make_conversation
from ..data.language.prompts import is_sentence, parse_prompt, scene_sentence
from .encoder import IGNORED, ConversationEncoder

MOST_TOKENS = 120
GREY = 0.5
ASKED_AT_ONCE = 50


@dataclass(frozen=True)
class HeldOut:
    """A held-out conversation, and the images [m, 3, s, s] that the model sees with it."""

    talk: Conversation
    pixels: Tensor


@dataclass(frozen=True)
class Scores:
    """A chat model's scores, all of them shares from 0 to 1.

    `right`: of the turns that call for a prompt, those whose last prompt names exactly the right
    objects. `well_formed`: of the replies with a prompt, those with a single one that is closed and
    in the prompts' language. `silent`: of the turns that call for no prompt, those without one.
    `scene`: of the first replies, those that describe the picture correctly. `told`: of the
    conversations without pictures, those in which every token of the replies but the scene's is
    predicted, given the correct tokens before it.
    """

    right: float
    well_formed: float
    silent: float
    scene: float
    told: float

    def named(self) -> dict[str, float]:
        """Return the scores by their names, rounded to four decimals."""
        return {name: round(value, 4) for name, value in vars(self).items()}


def held_out(encoder: ConversationEncoder, count: int, blank: bool = False) -> list[HeldOut]:
    """Make `count` held-out conversations with their first frames, grey ones if `blank`."""
    found = []
    for number in range(count):
        height, width = FRAME_SIZES[number % len(FRAME_SIZES)]
        talk = make_conversation("held-out", number, 1, height, width)
        frames = torch.full((1, height, width, 3), GREY)
        if not blank:
            scene = scene_of("held-out", number, 1, width / height)
            drawn = draw_scene(scene, height, width).compose(range(len(scene.objects)))
            frames = torch.from_numpy(drawn).float() / 255
        found.append(HeldOut(talk, encoder.pixels(frames)))
    return found


def score(llava: Any, encoder: ConversationEncoder, conversations: Sequence[HeldOut]) -> Scores:
    """Ask every turn of every conversation, and score the replies.

    The model takes the most likely token each time.
    """
    replies: list[list[str]] = [[] for _ in conversations]
    for number in range(max(len(item.talk.turns) for item in conversations)):
        asked = [i for i, item in enumerate(conversations) if len(item.talk.turns) > number]
        for first in range(0, len(asked), ASKED_AT_ONCE):
            some = asked[first : first + ASKED_AT_ONCE]
            texts = []
            for i in some:
                turns = conversations[i].talk.turns
                history = [
                    Turn(turn.request, reply)
                    for turn, reply in zip(turns, replies[i], strict=False)
                ]
                system = encoder.format.system_prompt
                texts.append(render(turns[number].request, history, 1, system))
            pixels = torch.cat([conversations[i].pixels for i in some])
            for i, text in zip(some, answer(llava, encoder, texts, pixels), strict=True):
                replies[i].append(text)
    return _judge(conversations, replies, _reason(llava, encoder, conversations))


@torch.inference_mode()
def _reason(
    llava: Any, encoder: ConversationEncoder, conversations: Sequence[HeldOut]
) -> list[bool]:
    """Return for each conversation whether it counts as `told`; see `Scores`."""
    found = []
    for item in conversations:
        ids, labels = encoder.encode_conversation(item.talk.turns, 0)
        tokens, wanted = torch.tensor([ids], device=llava.device), torch.tensor(labels)[1:]
        likeliest = llava(input_ids=tokens).logits[0, :-1].argmax(-1).cpu()
        found.append(bool((likeliest == wanted)[wanted != IGNORED].all()))
    return found


@torch.inference_mode()
def answer(
    llava: Any, encoder: ConversationEncoder, texts: Sequence[str], pixels: Tensor
) -> list[str]:
    """Return the replies to rendered `texts`; `pixels` [b, 3, s, s] are one image for each."""
    tokenizer = encoder.tokenizer
    rows = [encoder.ids(text) for text in texts]
    longest = max(map(len, rows))
    pad = tokenizer.pad_token_id
    tokens = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    there = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    device = llava.device
    output = llava.generate(
        input_ids=tokens.to(device),
        attention_mask=there.to(device),
        pixel_values=pixels.to(device, llava.dtype),
        max_new_tokens=MOST_TOKENS,
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=pad,
    )
    found = tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
    return [text.strip() for text in found]


def _judge(
    conversations: Sequence[HeldOut], replies: Sequence[Sequence[str]], reasoned: Sequence[bool]
) -> Scores:
    right: list[bool] = []
    silent: list[bool] = []
    formed, scene = [], []
    for item, texts in zip(conversations, replies, strict=True):
        objects = item.talk.objects
        for turn, text in zip(item.talk.turns, texts, strict=True):
            (right if turn.has_prompt else silent).append(_is_right(turn, text, objects))
            if prompts := _prompts(text):
                formed.append(
                    len(prompts) == 1 and prompts[0].closed and is_sentence(prompts[0].text)
                )
        scene.append(scene_sentence(texts[0]) == scene_sentence(item.talk.turns[0].reply))
    shares = (right, formed, silent, scene, reasoned)
    return Scores(*(sum(x) / len(x) if x else 0.0 for x in shares))


def _is_right(turn: LabelledTurn, text: str, objects: Sequence[SceneObject]) -> bool:
    """Whether a reply's last prompt names exactly the objects to remove.

    Where nothing is to be removed, the reply must have no prompt.
    """
    prompts = _prompts(text)
    if not turn.has_prompt:
        return not prompts
    return bool(prompts) and parse_prompt(prompts[-1].text, objects) == turn.removed


def _prompts(text: str) -> list[Prompt]:
    codes = [ord(letter) for letter in text]
    return find_prompts(codes, lambda part: "".join(map(chr, part)))
