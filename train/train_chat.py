"""Train the bundled chat model: a small LLaVA, from random weights, on generated conversations.

    python -m train.chat.frames --output .runs/chat_frames --scenes 24000 --workers 2
    accelerate launch -m train.train_chat --config train/configs/chat_mini.yaml
    accelerate launch -m train.train_chat --config train/configs/chat_mini_more.yaml
    python -m train.train_chat --export .runs/chat_mini_more --output .runs/lgvi-mini-chat

On one process, `python -m train.train_chat --config ...` does the same. A run that was stopped
resumes from its last checkpoint when it is started again, and ends with the same weights as an
uninterrupted one.
"""

import argparse
import logging
from pathlib import Path

from torch import Tensor, nn
from tqdm.contrib.logging import logging_redirect_tqdm

from .chat.batches import ChatBatch, ChatBatches
from .chat.check import HeldOut, held_out, score
from .chat.config import ChatConfig, check_changes
from .chat.encoder import encoder_for
from .chat.export import PREFIX, export, load_start_weights
from .chat.model import ChatLearner, build_optimizer, llava_config
from .chat.tokenizer import run_tokenizer
from .engine.accelerator import make_accelerator
from .engine.command import told_errors
from .engine.config import read_yaml_config
from .engine.optimization import rate_factor
from .engine.progress import start_logging
from .engine.trainer import Task, Tensors, Trainer

logger = logging.getLogger(__name__)


def train(config: ChatConfig) -> None:
    """Run the training, or resume it. Raises LGVIError for anything that keeps it from starting."""
    with logging_redirect_tqdm():
        build_trainer(config).run()


def build_trainer(config: ChatConfig) -> Trainer[ChatBatch]:
    """Build one process's data, network and optimizer, ready for the training loop."""
    accelerator = make_accelerator(config)
    tokenizer = run_tokenizer(config, accelerator)
    llava = llava_config(config, tokenizer)
    learner = ChatLearner(llava)
    if config.start_from is not None:
        load_start_weights(config.start_from, learner)
    encoder = encoder_for(config, llava, tokenizer)
    batches = ChatBatches(config, encoder, accelerator.process_index, accelerator.num_processes)
    conversations: list[HeldOut] = []

    def losses(model: nn.Module, batch: ChatBatch) -> dict[str, Tensor]:
        with accelerator.autocast():
            return model(batch, config.attribute_weight)

    def rate(group: str, step: int, length: float) -> float:
        factor = rate_factor("linear", config.optimizer, step, length)
        return config.optimizer.rates[group] * factor

    def exported(state: Tensors) -> Tensors:
        return {name: value for name, value in state.items() if name.startswith(PREFIX)}

    def check(trainer: Trainer[ChatBatch]) -> None:
        """Ask the averaged model about held-out pictures, and log how often it is right."""
        if not accelerator.is_main_process:
            return
        if not conversations:
            conversations.extend(held_out(encoder, config.check_count))
        with trainer.evaluating():
            found = score(learner.llava, encoder, conversations).named()
        logger.info("step %d, held-out: %s", trainer.progress.step, found)
        values = {f"held-out/{name}": value for name, value in found.items()}
        accelerator.log(values, step=trainer.progress.step)

    task = Task(
        learner,
        build_optimizer(learner, config.optimizer),
        batches,
        losses=losses,
        rate=rate,
        exported=exported,
        check_changes=lambda: check_changes(config),
        inspect=check if config.check_count else None,
        inspect_every=config.check_every,
    )
    return Trainer(config, accelerator, task)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, help="YAML file, see train/chat/config.py")
    what.add_argument("--export", type=Path, metavar="RUN", help="output folder of a run")
    parser.add_argument("--output", type=Path, help="with --export: the folder to write")
    args = parser.parse_args()
    if args.export and args.output is None:
        parser.error("--export needs --output")
    start_logging()
    with told_errors():
        if args.export:
            export(args.export, args.output)
        else:
            train(read_yaml_config(args.config, ChatConfig))


if __name__ == "__main__":
    main()
