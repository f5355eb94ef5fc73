"""The chat model of a joint run: whole for the nodes, or its trained parts as released."""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lgvi_core.chat.format import write_format
from lgvi_core.chat.llava import RELEASED_PARTS, common_name
from lgvi_core.chat.model import MM_HEAD_FILE, ChatModel, load_chat
from lgvi_core.checkpoint import CHAT_PARTS_FILE
from lgvi_core.errors import LGVIError

from ..lora import add_lora, merge_lora
from .config import JointConfig
from .model import load_chat_of, text_width

PREFIX = "chat."
COPIED = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
)


def write_released_parts(config: JointConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """`llava/llava_weights.pth` in an LGVI-I folder: token embeddings, projector and MM head.

    With the format beside it. Raises LGVIError for a run with chat.lora, which has no place there.
    """
    if config.chat.lora is not None:
        raise LGVIError(
            "llava_weights.pth cannot hold chat.lora's additions: export the chat model whole "
            "(--chat-output)"
        )
    named = {
        common_name(name.removeprefix(PREFIX)): value.float().contiguous()
        for name, value in weights.items()
        if name.startswith(PREFIX)
    }
    tables: dict[str, dict[str, Tensor]] = {table: {} for table in RELEASED_PARTS}
    for name, value in named.items():
        table, prefix = next((t, p) for t, p in RELEASED_PARTS.items() if name.startswith(p))
        key = name.removeprefix(prefix)
        if table == "vision_embedding":  # a Sequential of linear, GELU, linear
            layer, kind = key.split(".")
            key = f"{2 * (int(layer) - 1)}.{kind}"
        tables[table][key] = value
    path = folder / CHAT_PARTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(tables, partial)
    partial.replace(path)
    write_format(_start(config).format, path.parent)


def write_chat_folder(
    config: JointConfig,
    weights: dict[str, Tensor],
    folder: Path,
    metadata: dict[str, str],
    dtype: torch.dtype,
) -> None:
    """The whole chat model in Hugging Face's layout, with the MM head and its format."""
    chat = _start(config)
    llava: Any = chat.llava
    language = llava.llava.model.language_model
    if config.chat.lora is not None:
        add_lora(language, config.chat.lora)
    trained = {k.removeprefix(PREFIX): v for k, v in weights.items() if k.startswith(PREFIX)}
    unknown = llava.load_state_dict(trained, strict=False).unexpected_keys
    if unknown:
        raise LGVIError(f"{config.chat.model} is not the chat model of this run: {unknown[:3]}")
    if config.chat.lora is not None:
        merge_lora(language)
    folder.mkdir(parents=True, exist_ok=True)
    llava.llava.to(dtype).save_pretrained(folder)
    head = {
        f"mm_head.{name}": value.to(dtype).contiguous()
        for name, value in llava.mm_head.state_dict().items()
    }
    save_file(head, folder / MM_HEAD_FILE, metadata)
    write_format(chat.format, folder)
    for name in COPIED:
        source = config.chat.model / name
        if source.is_file() and source.resolve() != (folder / name).resolve():
            shutil.copyfile(source, folder / name)
    load_chat(folder)


def _start(config: JointConfig) -> ChatModel:
    return load_chat_of(config.chat, text_width(config))
