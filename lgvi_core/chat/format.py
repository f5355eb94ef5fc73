"""What a chat model was trained to read and say: the interface of its weights."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..checkpoint.files import read_json
from ..config import parse_config
from .conversation import IMAGE, SYSTEM_PROMPT

FORMAT_FILE = "lgvi_chat.json"
"""Beside a LLaVA's `config.json`, or beside released parts."""

Framing = Literal["crop", "letterbox"]
FeatureSpan = Literal["to_end", "to_mark"]


class ChatFormat(BaseModel):
    """The defaults are those of the released LGVI-I weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system_prompt: str = Field(SYSTEM_PROMPT, max_length=20_000)
    framing: Framing = "crop"
    """The middle square of a frame, or all of it with bars above and below."""
    frames: int = Field(1, ge=1, le=64)
    """The most frames that one clip is shown by."""
    features: FeatureSpan = "to_end"
    """Which tokens' states the MM head gets: from the opening mark to the end of the reply, as in
    the released code, or those between the marks, as in the paper."""
    feature_length: int | None = Field(None, ge=1, le=4096)
    """Features are cut, or filled up with zeros, to this many; null leaves them as they come."""

    @field_validator("system_prompt")
    @classmethod
    def _no_picture(cls, text: str) -> str:
        if IMAGE in text:
            raise ValueError(f"{IMAGE} stands for a picture, which a system prompt has none of")
        return text


PLAIN_FORMAT = ChatFormat(framing="letterbox")
"""Of a LLaVA 1.5 that tells none: it was trained on whole pictures."""


def read_format(folder: Path) -> ChatFormat | None:
    """The format that `folder` tells, or None; LGVIError names every wrong key."""
    path = folder / FORMAT_FILE
    if not path.is_file():
        return None
    return parse_config(ChatFormat, read_json(path), str(path))


def write_format(chat_format: ChatFormat, folder: Path) -> None:
    """Writes it beside the weights."""
    text = json.dumps(chat_format.model_dump(), indent=2)
    (folder / FORMAT_FILE).write_text(text + "\n", encoding="utf-8")
