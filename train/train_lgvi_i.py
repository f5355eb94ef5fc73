"""Train LGVI-I: video model and chat model together (paper Sec. 4.2, Eq. 5).

    accelerate launch -m train.train_lgvi_i --config train/configs/lgvi_i_paper.yaml

Starts from an LGVI and a LLaVA. The chat model's reply takes the text encoder's place: hidden
states of its prompt go through the MM head into cross-attention. The U-Net is trained, and of the
chat model token embeddings, projector and MM head. Resuming and several processes (DDP) are as in
`train_lgvi`; no test runs FSDP or DeepSpeed with a chat model.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.contrib.logging import logging_redirect_tqdm

from lgvi_core.chat.conversation import Turn
from lgvi_core.chat.model import ChatModel
from lgvi_core.chat.reply import reply
from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline

from .batches import Batches
from .config import Rate, read_config
from .data.sample import Sample
from .joint.batches import JointCachedBatches, JointReaderBatches
from .joint.config import JointConfig
from .joint.model import build_joint, load_chat_of, reading_of, text_width
from .model import LGVI, build_optimizer
from .progress import BrokenSamples, start_logging
from .train_lgvi import Trainer, count_broken, open_readers


class JointTrainer(Trainer):
    """A Trainer whose text features come from a chat model."""

    config: JointConfig
    chat: ChatModel

    def open_batches(self) -> tuple[Batches, BrokenSamples]:
        config = self.config
        self.chat = load_chat_of(config.chat, text_width(config))
        reading, place = reading_of(self.chat), self.place()
        if config.data.cache is not None:
            cached = JointCachedBatches(config, self.chat.tokenizer, *place)
            cached.reading = reading
            return cached, BrokenSamples({})
        read = JointReaderBatches(config, self.chat.tokenizer, *open_readers(config.data), *place)
        read.reading = reading
        return count_broken(read)

    def build(self) -> tuple[LGVI, torch.optim.Optimizer]:
        model = build_joint(self.config, self.chat)
        return model, build_optimizer(model, self.config.optimizer, self._chat_rates())

    def rate(self, part: str) -> Rate:
        return self._chat_rates().get(part) or super().rate(part)

    def _chat_rates(self) -> dict[str, Rate]:
        chat = self.config.chat
        return {"chat": chat.rate, "mm_head": chat.mm_head_rate or chat.rate}

    def is_exported(self, name: str) -> bool:
        """Of the chat model what is trained; the rest is in the folder that it came from."""
        frozen = name.startswith("chat.") and name not in self.trained_names()
        return not frozen and super().is_exported(name)

    def trained_names(self) -> set[str]:
        return {name for name, p in self.plain.named_parameters() if p.requires_grad}

    def condition(self, sample: Sample) -> str | Tensor:
        """The features of the reply to the sample's request; zeros where it names nothing."""
        frames = torch.from_numpy(sample.source).float() / 255
        turns = [Turn(*turn) for turn in sample.turns] or [Turn(sample.sentence, "")]
        model: Any = self.plain
        self.chat.llava = model.chat
        answer = reply(
            self.chat, frames, turns[-1].request, turns[:-1], temperature=0, max_tokens=128
        )
        if answer.features is not None:
            return answer.features
        width = self.plain.unet.config.cross_attention_dim
        return torch.zeros(1, self.config.chat.feature_length, width)

    def pipeline(self) -> LGVIPipeline:
        return LGVIPipeline(self.plain.unet, self.vae, None, None, self.scheduler)


def train(config: JointConfig) -> None:
    """Runs the training, or the rest of it."""
    with logging_redirect_tqdm():
        JointTrainer(config).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--config", type=Path, required=True, help="YAML file, see train/joint/config.py"
    )
    args = parser.parse_args()
    start_logging()
    try:
        train(read_config(args.config, JointConfig))
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
