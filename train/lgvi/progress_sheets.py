"""Progress sheets: contact sheets that show what the model does with a few clips during a run."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.pipeline import LGVIPipeline

from ..data.pictures import cover_and_crop
from ..data.readers import open_reader
from ..data.sample import BrokenSample, Sample
from ..engine.contact_sheet import Row, contact_sheet
from ..engine.trainer import Trainer
from .config import SampleConfig

logger = logging.getLogger(__name__)


class ProgressSheets:
    """The clips of the progress sheets, and how the sheets are drawn and written."""

    def __init__(self, config: SampleConfig, size: tuple[int, int] | None, seed: int) -> None:
        """Read the clips now, so that mistakes show before the first step.

        Frames are resized and cropped to `size` (h, w), or keep their own if it is None. Raises
        LGVIError if the data set cannot be opened; broken clips are logged and left out.
        """
        self.config, self.seed = config, seed
        reader = open_reader(config.source)
        self.samples: list[Sample] = []
        for index in range(min(config.count, len(reader))):
            try:
                sample = reader.read(index, config.frames, np.random.default_rng(index))
            except BrokenSample as error:
                logger.warning("left out of the progress pictures: %s", error)
                continue
            self.samples.append(sample)
        self.size = size

    def draw(
        self, pipeline: LGVIPipeline, condition: Callable[[Sample], str | Tensor]
    ) -> Image.Image | None:
        """Draw source, result, target and mask of every clip; None if no clip could be read.

        `condition` computes the pipeline's prompt (text or text features) for a sample.
        """
        config, rows = self.config, []
        for sample in self.samples:
            source, target = sample.source, sample.target
            if self.size is not None:
                source, target = (cover_and_crop(x, self.size) for x in (source, target))
            output = pipeline(
                torch.from_numpy(source).float() / 255,
                condition(sample),
                steps=config.steps,
                text_scale=config.text_scale,
                video_scale=config.video_scale,
                seed=self.seed,
                working_size=0,
            )
            result = np.round(output.frames.numpy() * 255).astype(np.uint8)
            mask = None if output.mask is None else output.mask.numpy()
            rows.append(Row(sample.sentence, source, result, target, mask))
        return contact_sheet(rows) if rows else None

    def show(self, sheet: Image.Image, trainer: Trainer[Any]) -> None:
        """Write a sheet into `samples` in the run's folder, and to TensorBoard.

        A failure to write, such as a full disk, is logged and does not stop the training.
        """
        step = trainer.progress.step
        path = trainer.config.output / "samples" / f"step-{step:08d}.png"
        try:
            with atomic_write(path) as partial:
                sheet.save(partial, "PNG")
        except OSError as error:
            logger.error("%s could not be written: %s", path, error)
            return
        writer = trainer.accelerator.get_tracker("tensorboard", unwrap=True)
        writer.add_image("samples", np.asarray(sheet), step, dataformats="HWC")
