"""Export of a run to the folder that the chat nodes load: a LLaVA in fp16 with its tokenizer."""

from pathlib import Path

from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

from lgvi_core.chat.format import write_format
from lgvi_core.chat.model import load_chat
from lgvi_core.errors import LGVIError

from ..engine import checkpoints
from ..engine.config import read_run_config
from .config import ChatConfig
from .encoder import chat_format
from .model import ChatLearner, llava_config
from .tokenizer import TOKENIZER, read_tokenizer, save_tokenizer

PREFIX = "llava."


def export(run: Path, output: Path) -> None:
    """Write the averaged weights of a run's newest checkpoint, and load them as a check.

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


def load_start_weights(run: Path, learner: ChatLearner) -> None:
    """Load the averaged weights of a run's newest checkpoint, and its heads, into `learner`.

    Raises LGVIError where there is no intact checkpoint, or where it is one of another model.
    """
    checkpoint = checkpoints.newest(run / "checkpoints")
    if checkpoint is None:
        raise LGVIError(f"{run}: no intact checkpoint to start from; mend `start_from`")
    state = load_file(checkpoint / checkpoints.MODEL) | load_file(checkpoint / checkpoints.WEIGHTS)
    try:
        learner.load_state_dict(state)
    except RuntimeError as error:
        raise LGVIError(f"{checkpoint} is of another model: {error}") from error
