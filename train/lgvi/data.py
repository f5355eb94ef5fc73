"""What a training of the video model reads and draws with, opened before the first step."""

from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from ..data.readers import open_reader
from ..engine.progress import BrokenSamples
from .batch import CLIPS, PICTURES
from .batches import Batches, Place
from .cached_batches import CachedBatches
from .config import TrainConfig
from .model import build_frozen_vae, build_noise_scheduler
from .progress_sheets import ProgressSheets
from .reader_batches import ReaderBatches
from .text import TextSource


@dataclass(frozen=True)
class VideoData:
    """The run's batches for this process, and what goes with them.

    `broken` counts the samples that cannot be read. `vae` is None where nothing has to be encoded
    or decoded; `sheets` draw the progress, in the main process and where the configuration asks.
    """

    scheduler: DDIMScheduler
    batches: Batches
    broken: BrokenSamples
    sheets: ProgressSheets | None
    vae: Any


def open_video_data(config: TrainConfig, accelerator: Accelerator, text: TextSource) -> VideoData:
    """Open data sets, cache, autoencoder and the clips that show the progress.

    Raises LGVIError for whatever is missing or wrong, before anything is trained.
    """
    scheduler = build_noise_scheduler(config)
    place = Place(accelerator.process_index, accelerator.num_processes)
    batches: Batches
    counts: dict[str, int] = {}
    if config.data.cache is not None:
        batches = CachedBatches(config, text, place)
    else:
        videos = [open_reader(source) for source in config.data.videos]
        images = [open_reader(source) for source in config.data.images]
        batches = ReaderBatches(config, text, videos, images, place)
        counts = {CLIPS: batches.count(True), PICTURES: batches.count(False)}
    sheets = None
    if config.samples is not None and accelerator.is_main_process:
        size = config.data.size if config.data.cache is None else None
        sheets = ProgressSheets(config.samples, size, config.seed)
    needs_vae = config.data.cache is None or config.samples is not None
    vae = build_frozen_vae(config).to(accelerator.device) if needs_vae else None
    return VideoData(scheduler, batches, BrokenSamples(counts), sheets, vae)
