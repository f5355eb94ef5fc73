"""Data sets as a configuration describes them, and the function that opens any of them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .drawn.emoji import FONT
from .generated.collages import CollageReader
from .generated.reader import GeneratedReader
from .heldout.reader import HeldOutReader
from .sample import Reader
from .sets.gqa_inpaint import GqaInpaintReader, GqaLayout
from .sets.rovi import MAX_AREA, RoviFields, RoviReader
from .sets.shards import ShardReader


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoviSource(_Source):
    """Videos of ROVI, in the layout that `train.data.sets.rovi` describes."""

    kind: Literal["rovi"]
    root: Path = Field(description="folder with JPEGImages, Annotations and InpaintImages")
    split_file: str = Field(
        default="train.json", description="file in root that names what is used"
    )
    fields: RoviFields = Field(default=RoviFields(), description="names inside that file")
    stride: int = Field(
        default=5, gt=0, description="frames of the film from one used frame to the next"
    )
    max_area: float = Field(
        default=MAX_AREA,
        gt=0,
        le=1,
        description="share of the frame beyond which an object is dropped",
    )


class GqaInpaintSource(_Source):
    """Images of GQA-Inpaint, in the layout that `train.data.sets.gqa_inpaint` describes."""

    kind: Literal["gqa_inpaint"]
    root: Path = Field(description="folder with images, images_inpainted and masks")
    layout: GqaLayout = Field(default=GqaLayout(), description="names of folders and files in root")
    absent_share: float = Field(
        default=0.0, ge=0, le=1, description="share of sentences about something that is not there"
    )


class ShardSource(_Source):
    """WebDataset shards, in the layout that `train.data.sets.shards` describes."""

    kind: Literal["shards"]
    index: str = Field(description="path or URL of the index, or the folder that holds it")
    cache_dir: Path | None = Field(
        default=None, description="folder that remote shards are kept in"
    )
    cache_gigabytes: float | None = Field(
        default=None, gt=0, description="least recent shards beyond this are dropped; null: none"
    )
    stride: int = Field(
        default=1, gt=0, description="stored frames from one used frame to the next"
    )


class GeneratedSource(_Source):
    """Clips that are drawn when they are read; see `train.data.generated.samples`."""

    kind: Literal["generated"]
    split: Literal["train", "held-out"] = Field(default="train", description="they share nothing")
    size: tuple[int, int] = Field(default=(128, 128), description="height and width in pixels")
    count: int = Field(default=100_000, gt=0, description="how many different clips")
    first: int = Field(default=0, ge=0, description="number of the first clip")
    frames: int | None = Field(
        default=None,
        gt=0,
        description="frames of every sample, 1 for pictures; null: as many as asked",
    )
    turned: bool = Field(default=False, description="most objects are turned by any angle")
    photographs: bool = Field(
        default=False, description="half of the backgrounds are scikit-image's"
    )
    emoji: bool = Field(
        default=False, description="half of the objects are pictures of an emoji font"
    )
    emoji_font: Path = Field(default=FONT, description="the font file of Noto Color Emoji")


class HeldOutSource(_Source):
    """Clips that test models on other drawings and words; see `train.data.heldout`."""

    kind: Literal["heldout"]
    root: Path = Field(description="folder that train.data.heldout.write made")
    strata: tuple[str, ...] | None = Field(
        default=None, description="only clips that count for one of these; null: all"
    )
    without: tuple[str, ...] = Field(default=(), description="no clips that count for one of these")


class CollageSource(_Source):
    """Collages that are drawn when they are read; see `train.data.generated.collages`."""

    kind: Literal["collages"]
    folder: Path = Field(description="where train.data.collage.fetch has put its files")
    split: Literal["train", "held-out"] = Field(default="train", description="they share no scene")
    size: tuple[int, int] = Field(default=(128, 128), description="height and width in pixels")
    count: int = Field(default=1_000_000, gt=0, description="how many different clips")
    first: int = Field(default=0, ge=0, description="number of the first clip")
    frames: int | None = Field(
        default=None,
        gt=0,
        description="frames of every sample, 1 for pictures; null: as many as asked",
    )


DataSource = Annotated[
    RoviSource | GqaInpaintSource | ShardSource | GeneratedSource | CollageSource,
    Field(discriminator="kind"),
]
"""What can be trained on."""
EvaluationSource = Annotated[
    RoviSource | GqaInpaintSource | ShardSource | GeneratedSource | CollageSource | HeldOutSource,
    Field(discriminator="kind"),
]
"""What can be evaluated on: the held-out clips as well, which no training may see."""


def open_reader(source: DataSource | EvaluationSource) -> Reader:
    """Open the reader of a data set. Raises LGVIError if its files or packages are missing."""
    match source:
        case RoviSource():
            return RoviReader(
                source.root, source.split_file, source.fields, source.stride, source.max_area
            )
        case GqaInpaintSource():
            return GqaInpaintReader(source.root, source.layout, source.absent_share)
        case ShardSource():
            return ShardReader(
                source.index, source.cache_dir, source.stride, source.cache_gigabytes
            )
        case GeneratedSource():
            return GeneratedReader(
                source.split,
                source.size,
                source.count,
                source.first,
                source.frames,
                source.turned,
                source.photographs,
                source.emoji_font if source.emoji else None,
            )
        case HeldOutSource():
            return HeldOutReader(source.root, source.strata, source.without)
        case CollageSource():
            return CollageReader(
                source.folder,
                source.split,
                source.size,
                source.count,
                source.first,
                source.frames,
            )
