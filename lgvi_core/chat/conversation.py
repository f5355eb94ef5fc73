"""The text that the chat model reads: system prompt, turns, image placeholders (paper Fig. 13)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .marks import MARK

IMAGE = "<image>"
"""The placeholder of an image in the text."""
END_OF_REPLY = "</s>"

# The released weights were trained with exactly these words, so they must stay as they are.
SYSTEM_PROMPT = (
    "You are Inpaint Helper, an intelligent AI assistant that can read images and generate "
    "prompts to inform diffusion models which object to remove according to the user request and "
    "the input image contents.\n"
    'You should include the removal prompt with the format "{{prompt}} HERE IS THE PROMPT '
    '{{/prompt}} "\n'
    "Here are a few examples:\n"
    "1. \n"
    "User: I take a photo of my two dogs eating food. I want to split this photo to show each of "
    "them. Could you give me the photo with only the white dog?\n"
    "AI: Sure, this image contains two dogs eating food. One is white with curly hair. The other "
    "back to it is brown and white. I will remove the latter dog for you. {{prompt}} remove the "
    "brown dog behind the white dog {{/prompt}}\n"
    "User: Great! What about the picture with the other dog?\n"
    "AI: Sure. {{prompt}} remove the white dog {{/prompt}}\n"
    "2. \n"
    "User: Hey, here's a picture!\n"
    "AI: This picture shows a young man standing on a chair in a grassland.\n"
    "User: Can you let the person float in the air?\n"
    "AI: Of course, I can do it by removing the chair. Thus, the man looks like he is flying in "
    "the air. {{prompt}} remove the chair the man is standing on {{/prompt}}\n"
    "3. \n"
    "User: Who is strange in this image?\n"
    "AI: The image shows a scene of an ordinary park. There are sidewalks, trees, and grass. The "
    "strange person is a man crawling in the bottom right.\n"
    "User: So, can you remove him for me?\n"
    "AI: Sure, {{prompt}} remove the crawling man {{/prompt}}"
)

_SIGNS = (IMAGE, "<s>", END_OF_REPLY)
_BRACKETS = str.maketrans("<>{}", "()()")


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation: a person's request and the model's reply."""

    request: str
    reply: str


def escape(text: str, special: Sequence[str] = ()) -> str:
    """Break up all prompt marks, end signs and image placeholders in a person's text.

    The text can then end no turn, pass for no prompt and show no image. `special` are the
    tokenizer's special tokens, which are broken up too.
    """
    text = MARK.sub(lambda mark: mark[0].translate(_BRACKETS), text)
    return escape_reply(text.replace("{{", "{ {").replace("}}", "} }"), special)


def escape_reply(text: str, special: Sequence[str] = ()) -> str:
    """Break up all end signs and image placeholders in an earlier reply; its prompt marks stay.

    `special` are the tokenizer's special tokens, which are broken up too.
    """
    signs = {sign.strip() for sign in (*_SIGNS, *special)}
    wholes = sorted((sign for sign in signs if len(sign) > 1), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, wholes)))
    # The spaces around the pieces keep them from joining their neighbours into another sign.
    return pattern.sub(lambda sign: f" {sign[0][0]} {sign[0][1:]} ", text)


def render(
    request: str,
    history: Sequence[Turn] = (),
    images: int = 1,
    system: str = SYSTEM_PROMPT,
    special: Sequence[str] = (),
) -> str:
    """Return the text of a conversation up to where the reply to `request` begins.

    `history` holds the earlier turns, the oldest first. `images` is the number of images; their
    placeholders come at the start of the first request. `special` are the tokenizer's special
    tokens, which are broken up in every turn.
    """
    parts = [system, " "]
    for number, turn in enumerate((*history, Turn(request, ""))):
        pictures = f"{IMAGE}\n" * images if number == 0 else ""
        parts.append(f"User: {pictures}{escape(turn.request, special)} Assistant:")
        if number < len(history):
            parts.append(f" {escape_reply(turn.reply, special)}{END_OF_REPLY}")
    return "".join(parts)
