"""Tokenizer of the small chat model: byte-level BPE, learnt from generated conversations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lgvi_core.chat.conversation import END_OF_REPLY, IMAGE
from lgvi_core.errors import LGVIError

from ..data.drawn.numbered import FRAME_SIZES
from ..data.language.conversations import make_conversation
from ..engine.files import write_json
from .config import ChatConfig

TOKENIZER = "tokenizer"
"""Folder of the tokenizer in a run's output folder."""
START, PAD = "<s>", "<pad>"
TEXTS = 4000


def train_tokenizer(vocabulary: int, system_prompt: str) -> PreTrainedTokenizerFast:
    """Learn a tokenizer of at most `vocabulary` tokens.

    Every byte is a token, so that no text is unknown.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, START, END_OF_REPLY, IMAGE]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(system_prompt), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END_OF_REPLY,
        pad_token=PAD,
        additional_special_tokens=[IMAGE],
        clean_up_tokenization_spaces=False,
    )


def read_tokenizer(folder: Path) -> Any:
    """Load the tokenizer in `folder`. Raises LGVIError where there is none."""
    if not (folder / "tokenizer.json").is_file():
        raise LGVIError(f"no tokenizer in {folder}: name the output folder of a chat training")
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer, configured so that all versions of transformers read it alike."""
    tokenizer.save_pretrained(folder)
    values = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
        "pad_token": tokenizer.pad_token,
        "additional_special_tokens": [IMAGE],
        "clean_up_tokenization_spaces": False,
    }
    write_json(folder / "tokenizer_config.json", values)


def run_tokenizer(config: ChatConfig, accelerator: Accelerator) -> Any:
    """Return a run's tokenizer, which the main process learns or copies when the run begins."""
    folder = config.output / TOKENIZER
    if accelerator.is_main_process and not folder.is_dir():
        if before := config.start_from:
            tokenizer = read_tokenizer(before / TOKENIZER)
        else:
            tokenizer = train_tokenizer(config.vocabulary, config.system_prompt)
        save_tokenizer(tokenizer, folder)
    accelerator.wait_for_everyone()
    return read_tokenizer(folder)


def _texts(system_prompt: str) -> Iterator[str]:
    height, width = FRAME_SIZES[0]
    for number in range(TEXTS):
        for turn in make_conversation("train", number, 1, height, width).turns:
            # Replies come twice: requests vary far more, and their words would fill the vocabulary.
            yield f"{system_prompt} User: \n{turn.request} Assistant: {turn.reply}"
            yield f" {turn.reply}"
