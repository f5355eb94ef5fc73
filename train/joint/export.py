"""Export of a joint run's chat model: whole for the nodes, or its trained parts as released."""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lgvi_core.chat.format import write_format
from lgvi_core.chat.llava import RELEASED_PARTS, common_name
from lgvi_core.chat.model import MM_HEAD_FILE, ChatModel, load_chat
from lgvi_core.checkpoint.checkpoint import CHAT_PARTS_FILE
from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.errors import LGVIError

from ..lgvi.lora import add_lora, merge_lora
from .config import JointConfig
from .model import is_trained, load_chat_of, text_width

PREFIX = "chat."
COPIED = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
)
"""Files that an export copies from the folder of the chat model that the run started from."""


def write_released_parts(config: JointConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """Write `llava/llava_weights.pth` into the LGVI-I folder `folder`, with the format beside it.

    The file holds token embeddings, projector and MM head. Raises LGVIError for a run with
    `chat.lora`, which the file cannot hold, and where `weights` are not those of the run's model.
    """
    if config.chat.lora is not None:
        raise LGVIError(
            "llava_weights.pth cannot hold chat.lora's additions: export the chat model whole "
            "(--chat-output)"
        )
    chat = _start(config, torch.bfloat16)  # only its names and the format are used
    named = {
        common_name(name): value.float().contiguous()
        for name, value in _trained_parts(weights, chat, config).items()
    }
    embedding = "language.embed_tokens.weight"
    named[embedding] = named[embedding][: _base_rows(chat)].clone()
    tables: dict[str, dict[str, Tensor]] = {table: {} for table in RELEASED_PARTS}
    for name, value in named.items():
        table, prefix = next((t, p) for t, p in RELEASED_PARTS.items() if name.startswith(p))
        key = name.removeprefix(prefix)
        if table == "vision_embedding":  # a Sequential of linear, GELU, linear
            layer, kind = key.split(".")
            key = f"{2 * (int(layer) - 1)}.{kind}"
        tables[table][key] = value
    path = folder / CHAT_PARTS_FILE
    with atomic_write(path) as partial:
        torch.save(tables, partial)
    write_format(chat.format, path.parent)


def write_chat_folder(
    config: JointConfig,
    weights: dict[str, Tensor],
    folder: Path,
    metadata: dict[str, str],
    dtype: torch.dtype,
) -> None:
    """Write the whole chat model in Hugging Face's layout, with the MM head and the format.

    The folder is then loaded as a check. Raises LGVIError where `weights` lack a trained tensor or
    hold one that the model lacks.
    """
    # Frozen weights go from their file to the export without a detour through a narrower type.
    chat = _start(config, dtype if config.chat.lora is None else torch.float32)
    llava: Any = chat.llava
    language = llava.llava.model.language_model
    if config.chat.lora is not None:
        add_lora(language, config.chat.lora)
    llava.load_state_dict(_trained_parts(weights, chat, config), strict=False)
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


def _start(config: JointConfig, frozen: torch.dtype) -> ChatModel:
    return load_chat_of(config.chat, text_width(config), frozen)


def _trained_parts(
    weights: dict[str, Tensor], chat: ChatModel, config: JointConfig
) -> dict[str, Tensor]:
    """Return the tensors of `chat` that a run trained, by the names that they have in it.

    Raises LGVIError where one is missing or unknown.
    """
    trained = {k.removeprefix(PREFIX): v for k, v in weights.items() if k.startswith(PREFIX)}
    own = chat.llava.state_dict().keys()
    if unknown := sorted(trained.keys() - own):
        raise LGVIError(f"{config.chat.model} is not the chat model of this run: {unknown[:3]}")
    if missing := sorted({name for name in own if is_trained(name)} - trained.keys()):
        raise LGVIError(
            f"the run's weights lack {len(missing)} trained tensors of its chat model "
            f"({', '.join(missing[:3])}): export a checkpoint that holds them"
        )
    return trained


def _base_rows(chat: ChatModel) -> int | None:
    """Return how many rows of the token embeddings a released file holds; None for all.

    Hugging Face's LLaVA adds rows after those of the tokenizer's own tokens: first the image
    token's, then those of other additional tokens and of none.
    """
    added = chat.image_token >= chat.tokenizer.vocab_size
    return chat.image_token if added else None
