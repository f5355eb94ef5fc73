"""The task of training the video model, for the training loop."""

from collections.abc import Callable, Mapping

from accelerate import Accelerator
from torch import Tensor

from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline

from ..data.sample import Sample
from ..engine.optimization import rate_factor
from ..engine.trainer import SHARDED, Task, Tensors, Trainer
from .batch import Batch
from .config import Rate, TrainConfig, check_changes
from .data import VideoData
from .model import LGVI, build_optimizer
from .objective import VideoObjective

Condition = Callable[[Sample], str | Tensor]
"""Computes the pipeline's prompt (text or text features) for a sample."""


def check_sharding(config: TrainConfig, accelerator: Accelerator) -> None:
    """Raise LGVIError if the run splits its weights among processes but needs them whole in one.

    Averaged weights and progress sheets need them whole.
    """
    is_sharded = accelerator.distributed_type in SHARDED
    if is_sharded and (config.optimizer.ema_decay is not None or config.samples):
        raise LGVIError(
            "FSDP and DeepSpeed cut the weights among processes: set optimizer.ema_decay to "
            "null and leave `samples` out"
        )


def video_task(
    config: TrainConfig,
    data: VideoData,
    model: LGVI,
    accelerator: Accelerator,
    rates: Mapping[str, Rate],
    exported: Callable[[Tensors], Tensors],
    pipeline: Callable[[], LGVIPipeline],
    condition: Condition,
    objective: type[VideoObjective] = VideoObjective,
) -> Task[Batch]:
    """Build the task of training `model`, with its optimizer and objective.

    `rates` holds the learning rates by optimizer group, and `exported` selects what is exported.
    `pipeline` and `condition` are used to draw the progress sheets. `objective` is the class of the
    losses.
    """

    def rate(group: str, step: int, length: float) -> float:
        factor = rate_factor(rates[group].schedule, config.optimizer, step, length)
        return rates[group].peak * factor

    def draw(trainer: Trainer[Batch]) -> None:
        if data.sheets is not None:
            with trainer.evaluating():
                strips = data.sheets.draw(pipeline(), condition)
            data.sheets.show(strips, trainer)

    return Task(
        model,
        build_optimizer(model, config.optimizer, rates),
        data.batches,
        losses=objective(config, accelerator, data.scheduler, data.vae),
        rate=rate,
        exported=exported,
        check_changes=lambda: check_changes(config),
        workers=config.data.workers if _loads_elsewhere(config) else 0,
        broken=data.broken,
        inspect=None if config.samples is None else draw,
        inspect_every=1 if config.samples is None else config.samples.every,
    )


def _loads_elsewhere(config: TrainConfig) -> bool:
    """Whether loading processes help; shards of one's own drawings are held in memory once."""
    return config.data.cache is None or config.data.collages is not None
