"""The part of `train_lgvi`'s configuration that says what it learns from; see `config`."""

from pathlib import Path

from pydantic import Field, model_validator
from typing_extensions import Self

from lgvi_core.latents import LATENT_PIXELS

from ..data.drawn.numbered import FRAME_SIZES
from ..data.readers import DataSource
from ..engine.config import Section


class CollageConfig(Section):
    """Collages: shards that are drawn and encoded when training first needs them, and kept.

    Step n learns from the newest `keep_shards` of the first `first_shards` + n / `steps_per_shard`
    shards, so that a step's data are the same whenever it is made.
    """

    folder: Path = Field(description="where train.data.collage.fetch has put its files")
    first_shards: int = Field(
        10, gt=0, description="shards at the first step, 5 at least for clips"
    )
    steps_per_shard: int = Field(10, gt=0, description="steps until another shard is drawn")
    keep_shards: int = Field(4000, gt=0, description="newest shards that steps learn from")
    sizes: tuple[tuple[int, int], ...] = Field(
        FRAME_SIZES, min_length=1, description="(height, width) that shards alternate between"
    )
    workers: int = Field(0, ge=0, description="processes that draw ahead; 0 draws in between")
    drawn_elsewhere: bool = Field(
        False, description="wait for train.collage_cache, which runs beside the training"
    )


class DataConfig(Section):
    """Training data: a cache of latents, or data sets whose frames are encoded during training.

    Batch sizes are totals over all processes and accumulated parts, so the same configuration
    trains the same on one process as on many.
    """

    cache: Path | None = Field(None, description="latent shards written by train.latent_cache")
    collages: CollageConfig | None = Field(None, description="the cache holds collages")
    videos: tuple[DataSource, ...] = Field((), description="data sets of clips")
    images: tuple[DataSource, ...] = Field((), description="data sets of single pictures")
    size: tuple[int, int] = Field((320, 512), description="(height, width) frames are cut to")
    emphasis: dict[str, float] = Field(
        {}, description="with a cache: kinds of expression, how many times as often they come"
    )
    late_emphasis: dict[str, float] = Field(
        {}, description="changes to `emphasis` in the later part of the run"
    )
    late_from: float = Field(1, ge=0, le=1, description="share of the run before `late_emphasis`")
    workers: int = Field(
        0, ge=0, description="loading processes per training process; train.latent_cache needs none"
    )
    batch_images: int = Field(768, gt=0, description="single frames in a step")
    batch_videos: int = Field(32, gt=0, description="clips in a step")
    video_frames: tuple[int, ...] = Field(
        (24,), min_length=1, description="clip lengths, one per step; fewer frames are more clips"
    )
    video_share: float = Field(0.75, ge=0, le=1, description="share of steps with clips")
    video_from: float = Field(0, ge=0, le=1, description="share of the run with images only")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.cache is None) == (not self.videos and not self.images):
            raise ValueError("give either `cache`, or `videos` and `images`")
        if self.collages is not None and self.cache is None:
            raise ValueError("collages need a `cache`")
        if self.collages is not None and self.workers and not self.collages.drawn_elsewhere:
            raise ValueError("several loading processes need collages.drawn_elsewhere")
        if self.cache is None and self.video_share > 0 and not self.videos:
            raise ValueError("video_share is above 0, but there are no `videos`")
        if self.cache is None and not self.images and (self.video_share < 1 or self.video_from > 0):
            raise ValueError("no `images`: set video_share to 1 and video_from to 0")
        if any(side % LATENT_PIXELS or side < 2 * LATENT_PIXELS for side in self.size):
            raise ValueError("size must be multiples of 8, at least 16")
        return self
