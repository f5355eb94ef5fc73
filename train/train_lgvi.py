"""Train LGVI: the inflated U-Net, its mask decoder and optionally the text encoder (Sec. 4.1).

    accelerate launch -m train.train_lgvi --config train/configs/lgvi_paper.yaml

With a single process, `python -m train.train_lgvi --config ...` does the same. Devices, DDP, FSDP
and DeepSpeed are configured by `accelerate config`. A stopped run resumes from its last checkpoint
when it is started again, and ends with the same weights as an uninterrupted run.
"""

from tqdm.contrib.logging import logging_redirect_tqdm

from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline

from .engine.accelerator import make_accelerator
from .engine.command import train_command
from .engine.trainer import Tensors, Trainer
from .lgvi.batch import Batch
from .lgvi.config import TrainConfig
from .lgvi.data import open_video_data
from .lgvi.lora import comfyui_state
from .lgvi.model import build_model, build_tokenizer
from .lgvi.objective import VideoObjective
from .lgvi.task import check_sharding, video_task
from .lgvi.text import Sentences


def train(config: TrainConfig) -> None:
    """Run the training, or resume it. Raises LGVIError if it cannot start."""
    if config.distill is not None:
        raise LGVIError("the configuration has a section `distill`: train.distill runs it")
    with logging_redirect_tqdm():
        build_trainer(config).run()


def build_trainer(
    config: TrainConfig, objective: type[VideoObjective] = VideoObjective
) -> Trainer[Batch]:
    """Build the data, networks and optimizer of this process, and return the trainer.

    `objective` is the class of the losses.
    """
    accelerator = make_accelerator(config)
    check_sharding(config, accelerator)
    tokenizer = build_tokenizer(config)
    data = open_video_data(config, accelerator, Sentences(tokenizer))
    model = build_model(config)
    rates = config.optimizer.rates

    def exported(state: Tensors) -> Tensors:
        if config.lora is not None:
            return comfyui_state(model.unet, config.lora, state)
        return {k: v for k, v in state.items() if not k.startswith("attribute_heads.")}

    def pipeline() -> LGVIPipeline:
        return LGVIPipeline(model.unet, data.vae, model.text_encoder, tokenizer, data.scheduler)

    task = video_task(
        config,
        data,
        model,
        accelerator,
        rates,
        exported,
        pipeline,
        condition=lambda sample: sample.sentence,
        objective=objective,
    )
    return Trainer(config, accelerator, task)


def main() -> None:
    train_command(__doc__, "train/lgvi/config.py", TrainConfig, train)


if __name__ == "__main__":
    main()
