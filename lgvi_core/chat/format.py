"""The format of a chat model: what its weights were trained to read and to say."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..checkpoint.files import read_json
from ..config import parse_config
from .conversation import IMAGE, SYSTEM_PROMPT

FORMAT_FILE = "lgvi_chat.json"
"""File of the format, beside a LLaVA's `config.json` or beside the released parts."""

Framing = Literal["crop", "letterbox"]
"""Way to make a square image of a frame; see `ChatFormat.framing`."""
FeatureSpan = Literal["to_end", "to_mark"]
"""Choice of the hidden states that the MM head gets; see `ChatFormat.features`."""


class ChatFormat(BaseModel):
    """Settings that a chat model was trained with; the defaults are the released LGVI-I's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system_prompt: str = Field(SYSTEM_PROMPT, max_length=20_000)
    framing: Framing = "crop"
    """Part of a frame that is shown: the middle square, or all of it with bars at two sides."""
    frames: int = Field(1, ge=1, le=64)
    """Greatest number of frames of a video that are shown."""
    features: FeatureSpan = "to_end"
    """Tokens whose hidden states the MM head gets: those from the opening mark to the end of the
    reply ("to_end"), as in the released code, or those between the marks ("to_mark"), as in the
    paper."""
    feature_length: int | None = Field(None, ge=1, le=4096)
    """Number to which features are cut or padded with zeros; null leaves them as they are."""

    @field_validator("system_prompt")
    @classmethod
    def _no_picture(cls, text: str) -> str:
        if IMAGE in text:
            raise ValueError(f"{IMAGE} stands for a picture, which a system prompt has none of")
        return text


PLAIN_FORMAT = ChatFormat(framing="letterbox")
"""Format of a LLaVA 1.5 without a format file; it was trained on whole images."""


def read_format(folder: Path) -> ChatFormat | None:
    """Read the format in `folder`; None where there is no format file.

    Raises LGVIError that names every wrong key.
    """
    path = folder / FORMAT_FILE
    if not path.is_file():
        return None
    return parse_config(ChatFormat, read_json(path), str(path))


def write_format(chat_format: ChatFormat, folder: Path) -> None:
    """Write the format into `folder`, beside the weights."""
    text = json.dumps(chat_format.model_dump(), indent=2)
    (folder / FORMAT_FILE).write_text(text + "\n", encoding="utf-8")
