"""The data of a training of the video model, opened and checked before the first step."""

from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from ..data.readers import open_reader
from ..engine.progress import BrokenSamples
from .batch import IMAGES, VIDEOS
from .batches import Batches, Rank
from .cached_batches import CachedBatches
from .collage_batches import CollageBatches
from .config import TrainConfig
from .model import build_frozen_vae, build_noise_scheduler
from .progress_sheets import ProgressSheets
from .reader_batches import ReaderBatches
from .text import TextSource


@dataclass(frozen=True)
class VideoData:
    """This process's batches, and what is needed to encode them and to draw the progress."""

    scheduler: DDIMScheduler
    """The noise schedule."""
    batches: Batches
    broken: BrokenSamples
    """The record of samples that could not be read."""
    sheets: ProgressSheets | None
    """This process's share of the progress sheets; None if there is no section `samples`."""
    vae: Any
    """The autoencoder; None if nothing has to be encoded or decoded."""


def open_video_data(config: TrainConfig, accelerator: Accelerator, text: TextSource) -> VideoData:
    """Open the data sets or the cache, the autoencoder and the clips for the progress sheets.

    Raises LGVIError if any of them is missing or wrong.
    """
    scheduler = build_noise_scheduler(config)
    rank = Rank(accelerator.process_index, accelerator.num_processes)
    batches: Batches
    counts: dict[str, int] = {}
    if config.data.cache is not None:
        kind = CachedBatches if config.data.collages is None else CollageBatches
        batches = kind(config, text, rank)
    else:
        videos = [open_reader(source) for source in config.data.videos]
        images = [open_reader(source) for source in config.data.images]
        batches = ReaderBatches(config, text, videos, images, rank)
        counts = {VIDEOS: batches.count(True), IMAGES: batches.count(False)}
    sheets = None
    if config.samples is not None:
        size = config.data.size if config.data.cache is None else None
        sheets = ProgressSheets(config.samples, size, config.seed, rank)
    needs_vae = config.data.cache is None or config.samples is not None
    vae = build_frozen_vae(config).to(accelerator.device) if needs_vae else None
    return VideoData(scheduler, batches, BrokenSamples(counts), sheets, vae)
