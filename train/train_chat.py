"""Train the bundled chat model: a small LLaVA, from random weights, on generated conversations.

    python -m train.chat.frames --output .runs/chat_frames --scenes 24000 --workers 2
    accelerate launch -m train.train_chat --config train/configs/chat_mini.yaml
    accelerate launch -m train.train_chat --config train/configs/chat_mini_more.yaml
    python -m train.train_chat --export .runs/chat_mini_more --output .runs/lgvi-mini-chat

On one process also ``python -m train.train_chat --config ...``. A run that was stopped goes on
from its last checkpoint when it is started again, and ends with the weights of an uninterrupted
one.
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.training_utils import EMAModel
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from lgvi_core.errors import LGVIError

from . import checkpoints
from .chat.batches import ChatBatch, ChatBatches, Reading
from .chat.check import Shown, held_out, score
from .chat.config import ChatConfig, check_changes
from .chat.export import PREFIX, TOKENIZER, chat_format, export, save_tokenizer, start_from
from .chat.model import ChatLearner, build_optimizer, llava_config
from .chat.tokenizer import read_tokenizer, train_tokenizer
from .config import read_config, write_config
from .optimization import averaged, rate_factor
from .progress import Log, Progress, start_logging

logger = logging.getLogger(__name__)


class Trainer:
    """Everything that one process of a run holds."""

    def __init__(self, config: ChatConfig) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.config = config
        self.accelerator = accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            cpu=config.cpu,
            log_with="tensorboard",
            project_dir=str(config.output),
        )
        set_seed(config.seed)
        self.tokenizer = self._tokenizer()
        llava = llava_config(config, self.tokenizer)
        learner = ChatLearner(llava)
        if config.start_from is not None:
            start_from(config.start_from, learner)
        vision: Any = llava.vision_config
        image_token = self.tokenizer.convert_tokens_to_ids("<image>")
        self.reading = Reading(
            self.tokenizer, image_token, vision.image_size, vision.patch_size, chat_format(config)
        )
        place = (accelerator.process_index, accelerator.num_processes)
        self.batches = ChatBatches(config, self.reading, *place)
        optimizer = build_optimizer(learner, config.optimizer)
        self.model, self.optimizer = accelerator.prepare(learner, optimizer)
        self.plain: ChatLearner = accelerator.unwrap_model(self.model)
        checkpoints.keep_trained_only(accelerator, self.plain)
        self.progress = Progress()
        self.ema = EMAModel(self.trained(), decay=config.optimizer.ema_decay, foreach=True)
        accelerator.register_for_checkpointing(self.progress, self.ema)
        self.shown: list[Shown] = []

    def _tokenizer(self) -> Any:
        """The run's own, learnt when it begins."""
        folder = self.config.output / TOKENIZER
        if self.accelerator.is_main_process and not folder.is_dir():
            if before := self.config.start_from:
                tokenizer = read_tokenizer(before / TOKENIZER)
            else:
                tokenizer = train_tokenizer(self.config.vocabulary, self.config.system_prompt)
            save_tokenizer(tokenizer, folder)
        self.accelerator.wait_for_everyone()
        return read_tokenizer(folder)

    def trained(self) -> list[torch.nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.plain.parameters() if p.requires_grad]

    def run(self) -> None:
        """The training, or the rest of it."""
        config, accelerator = self.config, self.accelerator
        folder = config.output / "checkpoints"
        if checkpoint := checkpoints.find(accelerator, folder):
            check_changes(config)
            checkpoints.load(accelerator, checkpoint)
            self.ema.to(accelerator.device)
            logger.info("goes on from %s", checkpoint)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            write_config(config)
        first = self.progress.step
        accelerator.init_trackers(
            "tensorboard",
            init_kwargs={"tensorboard": {"purge_step": first + 1}} if first else {},
        )
        hidden = None if accelerator.is_main_process else True  # None: where it is no terminal
        bar = tqdm(total=config.max_steps, initial=first, disable=hidden)
        log = Log(accelerator, self.optimizer, self.progress, config, bar)
        loader = DataLoader(self.batches, None, sampler=range(first, config.max_steps))
        written = True
        for batch in loader:
            log.add(self.train_step(batch), len(batch.pixels))
            bar.update()
            step = self.progress.step
            if step % config.log_every == 0:
                log.write()
            if step % config.checkpoint_every == 0 or step == config.max_steps:
                written = self.save(folder)
            if config.check_count and step % config.check_every == 0:
                self.check()
        bar.close()
        accelerator.wait_for_everyone()
        if accelerator.num_processes > 1:
            time.sleep(1)  # as in train_lgvi: Gloo's threads must let go of the last tensors
        accelerator.end_training()
        if not written:
            raise LGVIError(
                f"the last checkpoint could not be written to {folder}: make room there"
            )
        logger.info("done: %d steps", self.progress.step)

    def train_step(self, batch: ChatBatch) -> dict[str, Tensor]:
        """One step of the optimizer; returns the losses."""
        config, step = self.config, self.progress.step
        factor = rate_factor("linear", config.optimizer, step, config.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = getattr(config.optimizer, group["name"]) * factor
        batch = batch.to(self.accelerator.device)
        with self.accelerator.autocast():
            parts = self.model(batch, config.attribute_weight)
        self.accelerator.backward(parts["loss"])
        self.accelerator.clip_grad_norm_(self.trained(), config.optimizer.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.progress.step += 1
        self.ema.step(self.trained())
        return {name: value.detach() for name, value in parts.items()}

    def save(self, folder: Path) -> bool:
        """Writes a checkpoint with the averaged weights; False where the disk is full."""
        weights: dict[str, Tensor] = {}
        if self.accelerator.is_main_process:
            with averaged(self.ema, self.trained()):
                state = self.plain.state_dict()
                weights = {k: v.cpu().clone() for k, v in state.items() if k.startswith(PREFIX)}
        keep = self.config.keep_checkpoints
        return checkpoints.save(self.accelerator, folder, self.progress.step, weights, keep)

    def check(self) -> None:
        """Asks the averaged model about held-out clips, and logs how often it is right."""
        if self.accelerator.is_main_process:
            self.shown = self.shown or held_out(self.reading, self.config.check_count)
            self.plain.eval()
            with averaged(self.ema, self.trained()), self.accelerator.autocast():
                found = score(self.plain.llava, self.reading, self.shown).named()
            self.plain.train()
            logger.info("step %d, held-out: %s", self.progress.step, found)
            values = {f"held-out/{name}": value for name, value in found.items()}
            self.accelerator.log(values, step=self.progress.step)
        self.accelerator.wait_for_everyone()


def train(config: ChatConfig) -> None:
    """Runs the training, or the rest of it."""
    with logging_redirect_tqdm():
        Trainer(config).run()


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
    try:
        if args.export:
            export(args.export, args.output)
        else:
            train(read_config(args.config, ChatConfig))
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
