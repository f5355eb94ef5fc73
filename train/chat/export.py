"""From a run to the folder that the chat nodes load: a LLaVA in fp16 with its tokenizer."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

from lgvi_core.chat.conversation import IMAGE
from lgvi_core.chat.format import ChatFormat, write_format
from lgvi_core.chat.model import load_chat
from lgvi_core.errors import LGVIError

from .. import checkpoints
from ..config import read_run_config
from .config import ChatConfig
from .model import ChatLearner, llava_config
from .tokenizer import read_tokenizer

TOKENIZER = "tokenizer"
PREFIX = "llava."


def chat_format(config: ChatConfig) -> ChatFormat:
    """What the model is trained to read: the whole of one frame."""
    return ChatFormat(
        system_prompt=config.system_prompt, framing="letterbox", frames=1, features="to_mark"
    )


def export(run: Path, output: Path) -> None:
    """Writes the averaged weights of a run's newest checkpoint, and loads them as a check.

    Raises LGVIError where there is no run or no intact checkpoint.
    """
    config = read_run_config(run, ChatConfig)
    checkpoint = checkpoints.newest(run / "checkpoints")
    if checkpoint is None:
        raise LGVIError(f"{run}: no intact checkpoint to export")
    state = load_file(checkpoint / checkpoints.WEIGHTS)
    tokenizer = read_tokenizer(run / TOKENIZER)
    llava = LlavaForConditionalGeneration(llava_config(config, tokenizer))
    llava.load_state_dict({k.removeprefix(PREFIX): v for k, v in state.items()})
    llava.half().save_pretrained(output)
    save_tokenizer(tokenizer, output)
    write_format(chat_format(config), output)
    load_chat(output)


def start_from(run: Path, learner: ChatLearner) -> None:
    """Gives `learner` the averaged weights of a run's newest checkpoint, and its heads.

    Raises LGVIError where there is no intact checkpoint, or it is of another model.
    """
    checkpoint = checkpoints.newest(run / "checkpoints")
    if checkpoint is None:
        raise LGVIError(f"{run}: no intact checkpoint to start from; mend `start_from`")
    state = load_file(checkpoint / checkpoints.MODEL) | load_file(checkpoint / checkpoints.WEIGHTS)
    try:
        learner.load_state_dict(state)
    except RuntimeError as error:
        raise LGVIError(f"{checkpoint} is of another model: {error}") from error


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """With a configuration that all versions of transformers read alike."""
    tokenizer.save_pretrained(folder)
    values = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
        "pad_token": tokenizer.pad_token,
        "additional_special_tokens": [IMAGE],
        "clean_up_tokenization_spaces": False,
    }
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
