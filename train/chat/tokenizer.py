"""The small chat model's own vocabulary: byte-level BPE, learnt from generated conversations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lgvi_core.chat.conversation import END_OF_REPLY, IMAGE
from lgvi_core.errors import LGVIError

from ..data.conversations import make_conversation
from ..data.synthetic import FRAME_SIZES

START, PAD = "<s>", "<pad>"
TEXTS = 4000


def train_tokenizer(vocabulary: int, system_prompt: str) -> PreTrainedTokenizerFast:
    """At most `vocabulary` tokens; every byte is one, so that no text is unknown."""
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
    """Raises LGVIError where the folder of a run has none."""
    if not (folder / "tokenizer.json").is_file():
        raise LGVIError(f"no tokenizer in {folder}: name the output folder of a chat training")
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def _texts(system_prompt: str) -> Iterator[str]:
    height, width = FRAME_SIZES[0]
    for number in range(TEXTS):
        for turn in make_conversation("train", number, 1, height, width).turns:
            # Requests vary far more than replies, and their words would fill the vocabulary.
            yield f"{system_prompt} User: \n{turn.request} Assistant: {turn.reply}"
            yield f" {turn.reply}"
