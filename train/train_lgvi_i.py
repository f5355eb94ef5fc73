"""Train LGVI-I: video model and chat model together (paper Sec. 4.2, Eq. 5).

    accelerate launch -m train.train_lgvi_i --config train/configs/lgvi_i_paper.yaml

The run starts from an LGVI and a LLaVA. The chat model takes the text encoder's place: the hidden
states of its prompt go through the MM head into cross-attention. The U-Net is trained, and so are
the chat model's token embeddings, projector and MM head. Resuming and several processes (DDP) work
as in `train_lgvi`; no test runs FSDP or DeepSpeed with a chat model.
"""

import logging

import torch
from torch import Tensor
from tqdm.contrib.logging import logging_redirect_tqdm

from lgvi_core.chat.conversation import Turn
from lgvi_core.chat.model import ChatModel
from lgvi_core.chat.reply import reply
from lgvi_core.pipeline import LGVIPipeline

from .data.sample import Sample
from .engine.accelerator import make_accelerator
from .engine.command import train_command
from .engine.trainer import Tensors, Trainer
from .joint.config import JointConfig
from .joint.model import JointModel, build_joint, encoder_of, load_chat_of, text_width
from .joint.text import Conversations, invented_replies
from .lgvi.batch import IMAGES, VIDEOS, Batch
from .lgvi.batches import Batches
from .lgvi.data import open_video_data
from .lgvi.reader_batches import ReaderBatches
from .lgvi.task import check_sharding, video_task

logger = logging.getLogger(__name__)


def train(config: JointConfig) -> None:
    """Run the training, or resume it. Raises LGVIError for anything that keeps it from starting."""
    with logging_redirect_tqdm():
        build_trainer(config).run()


def build_trainer(config: JointConfig) -> Trainer[Batch]:
    """Build one process's data, networks and optimizer, ready for the training loop."""
    accelerator = make_accelerator(config)
    check_sharding(config, accelerator)
    chat = load_chat_of(config.chat, text_width(config))
    data = open_video_data(config, accelerator, Conversations(encoder_of(chat)))
    if accelerator.is_main_process:
        warn_of_invented_replies(data.batches)
    model = build_joint(config, chat)
    rates = config.optimizer.rates | config.chat.rates
    trained = {name for name, p in model.named_parameters() if p.requires_grad}

    def exported(state: Tensors) -> Tensors:
        """Drop the attribute heads and the chat model's frozen weights, which its folder has."""
        return {
            name: value
            for name, value in state.items()
            if not name.startswith("attribute_heads.")
            and (name in trained or not name.startswith("chat."))
        }

    def pipeline() -> LGVIPipeline:
        return LGVIPipeline(model.unet, data.vae, None, None, data.scheduler)

    task = video_task(
        config,
        data,
        model,
        accelerator,
        rates,
        exported,
        pipeline,
        condition=lambda sample: reply_features(chat, model, sample),
    )
    return Trainer(config, accelerator, task)


def warn_of_invented_replies(batches: Batches) -> None:
    """Log how many clips and pictures of the data sets bring no conversation."""
    if not isinstance(batches, ReaderBatches):
        return
    for is_video, kind in ((True, VIDEOS), (False, IMAGES)):
        if told := invented_replies(batches.readers[is_video]):
            logger.warning(
                "%s of the %s bring no conversation: their requests and replies are made of their "
                "sentences, so that the chat model learns no others from them",
                told,
                kind,
            )


def reply_features(chat: ChatModel, model: JointModel, sample: Sample) -> Tensor:
    """Return the features [1, n, d] of the reply to a sample's request; zeros without a prompt."""
    frames = torch.from_numpy(sample.source).float() / 255
    turns = [Turn(*turn) for turn in sample.turns] or [Turn(sample.sentence, "")]
    chat.llava = model.chat
    answer = reply(chat, frames, turns[-1].request, turns[:-1], temperature=0, max_tokens=128)
    if answer.features is not None:
        return answer.features
    length = chat.format.feature_length
    assert length is not None
    return torch.zeros(1, length, model.unet.config.cross_attention_dim)


def main() -> None:
    train_command(__doc__, "train/joint/config.py", JointConfig, train)


if __name__ == "__main__":
    main()
