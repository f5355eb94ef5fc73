"""Progress sheets: contact sheets that show what the model does with a few clips during a run."""

import logging
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from PIL import Image
from torch import Tensor

from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.pipeline import LGVIPipeline

from ..data.pictures import cover_and_crop
from ..data.readers import open_reader
from ..data.sample import BrokenSample, Sample
from ..engine.contact_sheet import Row, stacked, strip
from ..engine.tracking import track_picture
from ..engine.trainer import Trainer
from .batches import ALONE, Rank
from .config import SampleConfig

logger = logging.getLogger(__name__)


class ProgressSheets:
    """The clips of the progress sheets, and how the sheets are drawn and written.

    The processes share the clips, so that none waits for another to draw them all.
    """

    def __init__(
        self,
        config: SampleConfig,
        size: tuple[int, int] | None,
        seed: int,
        rank: Rank = ALONE,
    ) -> None:
        """Read this process's clips now, so that mistakes show before the first step.

        Frames are resized and cropped to `size` (h, w), or keep their own if it is None. Raises
        LGVIError if the data set cannot be opened; broken clips are logged and left out.
        """
        self.config, self.seed = config, seed
        reader = open_reader(config.source)
        self.samples: list[Sample] = []
        for index in range(rank.process, min(config.count, len(reader)), rank.processes):
            try:
                sample = reader.read(index, config.frames, np.random.default_rng(index))
            except BrokenSample as error:
                logger.warning("left out of the progress pictures: %s", error)
                continue
            self.samples.append(sample)
        self.size = size

    def draw(
        self, pipeline: LGVIPipeline, condition: Callable[[Sample], str | Tensor]
    ) -> list[Image.Image]:
        """Draw source, result, target and mask of each of this process's clips.

        `condition` computes the pipeline's prompt (text or text features) for a sample.
        """
        config, strips = self.config, []
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
            strips.append(strip(Row(sample.sentence, source, result, target, mask)))
        return strips

    def show(self, strips: list[Image.Image], trainer: Trainer[Any]) -> None:
        """Gather all processes' strips, and write them into `samples` and to the trackers.

        They are in the clips' order as long as each process could read its own. A failure to
        write, such as a full disk, is logged and does not stop the training.
        """
        accelerator = trainer.accelerator
        shares = [strips]
        if accelerator.num_processes > 1:
            shares = gather_object([strips])
        rounds = zip_longest(*shares)
        together = [one for turn in rounds for one in turn if one is not None]
        if not together or not accelerator.is_main_process:
            return
        sheet = stacked(together)
        step = trainer.progress.step
        path = trainer.config.output / "samples" / f"step-{step:08d}.png"
        try:
            with atomic_write(path) as partial:
                sheet.save(partial, "PNG")
        except OSError as error:
            logger.error("%s could not be written: %s", path, error)
            return
        track_picture(accelerator, "samples", np.asarray(sheet), step)
