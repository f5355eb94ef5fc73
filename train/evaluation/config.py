"""Configuration of an evaluation: a YAML file, checked on reading. Its keys are described here."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
from lgvi_core.errors import LGVIError
from lgvi_core.settings import OWN_NAME, MaskSettings, SamplingSettings

from ..data.drawn.numbered import FRAME_SIZES
from ..data.readers import EvaluationSource
from ..engine.config import read_yaml
from .names import MEASURES

_SAMPLING, _MASK = SamplingSettings(), MaskSettings()
BASELINES = ("source", "vae")
"""Kinds of the methods that every evaluation includes."""


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LGVIConfig(Section):
    """An LGVI model, as `LGVIPipeline` loads it."""

    kind: Literal["lgvi"]
    name: str = Field(description="its row in the tables")
    model: Path = Field(BUNDLED_MODEL, description="diffusers folder or single safetensors file")
    steps: int = Field(_SAMPLING.steps, description="sampling steps; negative: the model's own")
    text_scale: float = Field(
        _SAMPLING.text_scale, description="guidance by the sentence; negative: the model's own"
    )
    video_scale: float = Field(
        _SAMPLING.video_scale, description="guidance by the source video; negative: the model's own"
    )
    seed: int = Field(0, description="of the noise, the same for every clip")
    working_size: int = Field(
        0, description="long side in pixels; 0: the clips' own, negative: the model's own"
    )
    timestep_spacing: Literal["leading", "trailing", "linspace"] | None = Field(
        None, description="where the steps lie on the schedule; null: as `scheduler` says"
    )
    sampler: str = Field(_SAMPLING.sampler, description="euler or dpmpp_2m; or the model's own")
    scheduler: str = Field(
        _SAMPLING.scheduler,
        description="normal (as the model's scheduler says), simple (trailing) or ddim_uniform "
        "(leading); or the model's own",
    )
    guidance_start: float = Field(
        _SAMPLING.guidance_start,
        le=1,
        description="share of the denoising from which on there is guidance; negative: the "
        "model's own",
    )
    guidance_end: float = Field(
        _SAMPLING.guidance_end, le=1, description="the same, up to which; negative: the model's own"
    )
    window: int = Field(0, ge=0, description="frames that the model sees at once; 0: all of them")
    overlap: int = Field(5, ge=0, description="frames that neighbouring windows share at least")

    @model_validator(mode="after")
    def _one_spacing(self) -> Self:
        named = (self.sampler, self.scheduler) != (OWN_NAME, OWN_NAME)
        if named and self.timestep_spacing is not None:
            raise ValueError("give timestep_spacing, or sampler and scheduler, not both")
        return self

    def settings(self) -> SamplingSettings:
        """Settings of the sampling that the configuration asks for."""
        names = [field.name for field in fields(SamplingSettings)]
        return SamplingSettings(**{name: getattr(self, name) for name in names})

    @field_validator("steps")
    @classmethod
    def _some_steps(cls, steps: int) -> int:
        if steps == 0:
            raise ValueError("at least 1, or negative for the model's own")
        return steps


class ChatMethodConfig(LGVIConfig):
    """An LGVI model that is guided by a chat model's reply to the request."""

    chat: Path = Field(description="LLaVA folder, as Load LGVI Chat opens it")
    max_tokens: int = Field(256, gt=0, description="longest reply")
    blank: bool = Field(
        False, description="the chat sees grey in place of the frames: how well can it guess?"
    )


class TwoStageConfig(ChatMethodConfig):
    """The paper's LGVI+MLLM: the prompt in the reply becomes the sentence that LGVI receives."""

    kind: Literal["lgvi_mllm"]  # type: ignore[assignment]


class EndToEndConfig(ChatMethodConfig):
    """The paper's LGVI-I: the prompt's hidden states reach cross-attention through the MM head."""

    kind: Literal["lgvi_i"]  # type: ignore[assignment]


class InstructPix2PixConfig(Section):
    """An image editing model in diffusers' InstructPix2Pix layout, applied frame by frame."""

    kind: Literal["instruct_pix2pix"]
    name: str = Field(description="its row in the tables")
    model: Path = Field(description="diffusers folder of InstructPix2Pix, MagicBrush or alike")
    steps: int = Field(50, gt=0, description="sampling steps")
    text_scale: float = Field(7.5, description="guidance by the sentence")
    image_scale: float = Field(1.5, ge=1, description="guidance by the source frame")
    seed: int = Field(0, description="of the noise, the same for every frame")
    working_size: int = Field(0, ge=0, description="long side in pixels; 0: the clips' own")


class FolderConfig(Section):
    """Results of another program: `<folder>/<clip>/*.png`, and optionally `<clip>/masks/*.png`."""

    kind: Literal["folder"]
    name: str = Field(description="its row in the tables")
    folder: Path = Field(description="one folder per clip, named as --write-clips names them")
    vae: Path | None = Field(
        None,
        description=(
            "LGVI checkpoint whose VAE the results went through: damage is then measured from "
            "its round trip, otherwise from the target itself"
        ),
    )


class SourceConfig(Section):
    """The baseline that returns the source unchanged."""

    kind: Literal["source"] = "source"
    name: str = "source unchanged"


class VAEConfig(Section):
    """The baseline that encodes and decodes the target by a VAE: an upper bound."""

    kind: Literal["vae"] = "vae"
    name: str = "VAE of the target"
    model: Path = Field(BUNDLED_MODEL, description="checkpoint that the VAE comes from")


# A new kind of method has to be added here and in `methods.OPENERS`.
MethodConfig = Annotated[
    LGVIConfig | TwoStageConfig | EndToEndConfig | InstructPix2PixConfig | FolderConfig,
    Field(discriminator="kind"),
]
AnyMethod = MethodConfig | SourceConfig | VAEConfig


class GeneratedConfig(Section):
    """Held-out clips that are rendered while they are evaluated."""

    kind: Literal["held-out"]
    clips: int = Field(256, gt=0, description="how many")
    first: int = Field(0, ge=0, description="number of the first one")
    frames: int = Field(8, gt=0, description="frames per clip")
    sizes: tuple[tuple[int, int], ...] = Field(
        FRAME_SIZES, min_length=1, description="(height, width) in pixels, clip by clip in turn"
    )
    conversations: bool = Field(
        False,
        description="generated conversations ask for the removal; for methods that know no chat "
        "their last prompt is the sentence",
    )
    turned: bool = Field(False, description="most objects are turned by any angle")
    photographs: bool = Field(False, description="half of the backgrounds are scikit-image's")
    mixed: bool = Field(
        False,
        description="the clips are by turns upright, turned, and turned before photographs; these, "
        "and small objects, are strata of the figures",
    )
    emoji_font: Path | None = Field(
        None, description="Noto Color Emoji's file: half of the objects are its pictures"
    )


class ReaderConfig(Section):
    """Clips of a data set that `train.data.readers` opens."""

    kind: Literal["reader"]
    source: EvaluationSource = Field(description="the data set, as train.data.readers describes it")
    size: tuple[int, int] | None = Field(
        None, description="(height, width) that clips are cut to as in training; null: their own"
    )
    clips: int | None = Field(None, gt=0, description="how many; all of them by default")
    first: int = Field(0, ge=0, description="number of the first one")
    frames: int = Field(24, gt=0, description="frames per clip")
    seed: int = Field(0, description="chooses among a clip's frames and sentences")


class CompositeConfig(Section):
    """Settings for laying results over the source, with the defaults of LGVI Composite."""

    threshold: float = Field(
        _MASK.threshold, ge=0, le=1, description="mask values from here on count"
    )
    grow: int = Field(
        _MASK.grow,
        description="pixels that the mask is grown by, beyond the automatic margin if there is one",
    )
    feather: int = Field(
        _MASK.feather,
        description="pixels over which the grown mask fades out; negative: an automatic margin",
    )


class DISConfig(Section):
    """Optical flow by OpenCV's dense inverse search (DIS), which needs no weights."""

    kind: Literal["dis"] = "dis"


class RAFTConfig(Section):
    """Optical flow by torchvision's RAFT."""

    kind: Literal["raft"]
    size: Literal["large", "small"] = Field("large", description="of the network")
    weights: Path = Field(description="its state dict, .pth or .safetensors")


class MeasuresConfig(Section):
    """Settings of the measures."""

    dilation: int = Field(
        5, ge=0, description="pixels by which object masks are widened before errors are measured"
    )
    composite: CompositeConfig = Field(
        default_factory=lambda: CompositeConfig.model_validate({}),
        description="how results are laid over the source",
    )
    background: bool = Field(
        True, description="also measure results with the background of other frames put back"
    )
    flow: Annotated[DISConfig | RAFTConfig, Field(discriminator="kind")] = Field(
        default_factory=DISConfig, description="optical flow for E_warp"
    )
    features: Path | None = Field(
        None,
        description=(
            "TorchScript file that maps clips [b, 3, f, h, w] in -1 to 1 to features [b, d], as "
            "I3D (rgb_imagenet) does; VFID is left out without one"
        ),
    )


class Bar(Section):
    """A bound that a measure's mean has to reach; exactly one of minimum and maximum is given."""

    minimum: float | None = Field(None, description="at least this")
    maximum: float | None = Field(None, description="at most this")
    above: str | None = Field(
        None, description="name of a method: the bar is so much above that one's mean"
    )

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.minimum is None) == (self.maximum is None):
            raise ValueError("give a bar either a minimum or a maximum")
        return self

    def met(self, value: float, other: float = 0) -> bool:
        """Whether the mean `value` reaches the bar; `other` is the mean of the method `above`."""
        if self.minimum is not None:
            return value >= other + self.minimum
        return self.maximum is not None and value <= other + self.maximum

    def __str__(self) -> str:
        sign, bound = (">=", self.minimum) if self.minimum is not None else ("<=", self.maximum)
        return f"{sign} {bound:g}" if self.above is None else f"{sign} {self.above} {bound:+g}"


def check_measures(names: Iterable[str]) -> None:
    """Raise ValueError for names that no measure has."""
    if unknown := sorted({*names} - {*MEASURES}):
        raise ValueError(f"unknown measures {unknown}; there are {sorted(MEASURES)}")


class EvaluateConfig(Section):
    """One evaluation: all methods (rows) and measures (columns) on the same clips."""

    output: Path = Field(description="folder for results.json, tables, the sheet and the cache")
    methods: tuple[MethodConfig, ...] = Field(min_length=1, description="rows of the tables")
    vae: Path | None = Field(
        None,
        description="checkpoint of the VAE baseline; the first lgvi method's, or the bundled one",
    )
    data: Annotated[GeneratedConfig | ReaderConfig, Field(discriminator="kind")]
    measures: MeasuresConfig = Field(
        default_factory=lambda: MeasuresConfig.model_validate({}),
        description="how the measures are taken",
    )
    bars: dict[str, Bar] = Field(default_factory=dict, description="by name of the measure")
    bars_of_methods: dict[str, dict[str, Bar]] = Field(
        default_factory=dict,
        description="by name of the method: bars that count for it instead of `bars`",
    )
    bars_of_strata: dict[str, dict[str, Bar]] = Field(
        default_factory=dict,
        description="by name of a stratum: bars that every method has to reach on its clips",
    )
    baselines: bool = Field(
        True, description="also measure the unchanged source and the VAE's round trip"
    )
    workers: int = Field(1, gt=0, description="processes that share the clips")
    threads: int = Field(1, gt=0, description="CPU threads per process")
    device: str = Field(
        "auto", description="cpu, cuda, cuda:1; auto takes a GPU where there is one"
    )
    sheet_clips: int = Field(12, ge=0, description="clips of the contact sheet")

    @field_validator("bars")
    @classmethod
    def _known_measures(cls, bars: dict[str, Bar]) -> dict[str, Bar]:
        check_measures(bars)
        return bars

    @model_validator(mode="after")
    def _bars_of_known_methods(self) -> Self:
        own = [*self.bars_of_methods.values(), *self.bars_of_strata.values()]
        for bars in own:
            check_measures(bars)
        above = {bar.above for bars in (self.bars, *own) for bar in bars.values() if bar.above}
        known = {method.name for method in self.all_methods}
        if unknown := sorted({*self.bars_of_methods, *above} - known):
            raise ValueError(f"bars for methods {unknown}; there are {sorted(known)}")
        return self

    def bars_for(self, method: str) -> dict[str, Bar]:
        """Bars that a method has to reach, by name of the measure."""
        return self.bars_of_methods.get(method, self.bars)

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [method.name for method in self.all_methods]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"two methods are called {doubled}: rows need different names")
        return self

    @property
    def all_methods(self) -> tuple[AnyMethod, ...]:
        """The baselines and the methods, in the order of the tables' rows."""
        models = [method.model for method in self.methods if isinstance(method, LGVIConfig)]
        vae = self.vae or (models[0] if models else BUNDLED_MODEL)
        if not self.baselines:
            return self.methods
        return (SourceConfig(), VAEConfig(model=vae), *self.methods)


def read_evaluation_config(path: Path, overrides: dict[str, Any]) -> EvaluateConfig:
    """Read and check a YAML file; pydantic's ValidationError names a wrong or unknown key.

    `overrides` are options of the command line, where None keeps the file's value: `model` (of the
    first method of kind lgvi, whose row is then named after the file), `steps` (of every method
    that samples), `clips` and `first` (of the data), and keys of the file's top level.

    Raises ValueError where `model` is given and no method is of kind lgvi, and LGVIError where the
    file cannot be read.
    """
    values = read_yaml(path) or {}
    if not isinstance(values, dict):
        raise LGVIError(f"{path} is not a table of keys, but a {type(values).__name__}")
    given = {key: value for key, value in overrides.items() if value is not None}
    methods = values.get("methods") or []
    if "model" in given:
        model = Path(given.pop("model"))
        method = next((m for m in methods if m.get("kind") == "lgvi"), None)
        if method is None:
            raise ValueError(f"{path}: --model needs a method of kind lgvi to stand in for")
        method |= {"model": model, "name": model.resolve().stem}
    if "steps" in given:
        steps = given.pop("steps")
        for method in methods:
            if method.get("kind") != "folder":
                method["steps"] = steps
    for key in ("clips", "first"):
        if key in given:
            values.setdefault("data", {})[key] = given.pop(key)
    return EvaluateConfig.model_validate(values | given)
