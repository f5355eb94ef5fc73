"""The YAML file of a build; `example.yaml` beside this file is one with comments."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ..data.sets.rovi import MAX_AREA
from ..engine.config import Section


class PlainSource(Section):
    """Videos of one's own, each with a JSON file; see `sources.plain`."""

    kind: Literal["plain"]
    name: str = Field(pattern=r"^[a-z0-9_]+$", description="what the clips' names begin with")
    root: Path = Field(description="folder with the JSON files")


class ReferYoutubeVosSource(Section):
    """Refer-YouTube-VOS as published; see `sources.refer_youtube_vos`."""

    kind: Literal["refer_youtube_vos"]
    name: str = Field(default="ytvos", pattern=r"^[a-z0-9_]+$")
    root: Path = Field(description="folder with `train` and `meta_expressions`")
    split: str = Field(default="train", description="folder in both: train or valid")


class A2dSentencesSource(Section):
    """A2D-Sentences as published; see `sources.a2d_sentences`."""

    kind: Literal["a2d_sentences"]
    name: str = Field(default="a2d", pattern=r"^[a-z0-9_]+$")
    root: Path = Field(description="folder with `Release` and `a2d_annotation.txt`")


SourceConfig = Annotated[
    PlainSource | ReferYoutubeVosSource | A2dSentencesSource, Field(discriminator="kind")
]


class FramesConfig(Section):
    """Which frames of a clip are taken, and how large."""

    stride: int = Field(default=1, ge=1, description="take every so-manieth frame of a video file")
    longest: int = Field(default=120, ge=2, description="frames of a clip at most")
    shortest: int = Field(default=8, ge=1, description="clips with fewer frames are left out")
    side: int | None = Field(
        default=None, ge=64, description="longer side in pixels; larger frames are shrunk to it"
    )
    quality: int = Field(default=95, ge=50, le=100, description="of JPEG frames")


class MasksConfig(Section):
    """How masks get to all frames."""

    engine: Literal["flow", "sam2"] = Field(
        default="flow",
        description="carries given masks on: flow needs no weights; sam2 is SAM 2 video",
    )
    folder: Path | None = Field(default=None, description="transformers folder of sam2")
    words: Literal["sam3", "lgvi"] | None = Field(
        default=None,
        description="finds objects that have no given mask by their words: SAM 3 video, or an "
        "LGVI; null: such objects are left out",
    )
    words_folder: Path | None = Field(
        default=None, description="transformers folder of sam3; an LGVI, the bundled one by default"
    )
    device: str = Field(default="cpu", description="where the engine runs: cpu, cuda, mps")
    max_area: float = Field(
        default=MAX_AREA, gt=0, le=1, description="share of a frame; larger objects are dropped"
    )
    min_area: float = Field(
        default=0.0005, ge=0, lt=1, description="share of a frame where an object is largest"
    )
    min_agreement: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="below this a mask counts as lost: agreement with the next given mask, and "
        "with the way there and back",
    )
    flow_side: int = Field(default=640, ge=64, description="longer side at which flow is measured")
    refine: bool = Field(default=True, description="draw the mask to the edges in the picture")

    @model_validator(mode="after")
    def _has_folder(self) -> "MasksConfig":
        if self.engine == "sam2" and self.folder is None:
            raise ValueError("engine sam2 needs `folder`, a transformers folder of SAM 2 video")
        if self.words == "sam3" and self.words_folder is None:
            raise ValueError("words sam3 needs `words_folder`, a transformers folder of SAM 3")
        return self


class BackgroundRemover(Section):
    """Our own fill: what other frames show; the rest is painted."""

    kind: Literal["background"] = "background"
    reach: int = Field(default=40, ge=1, description="frames away that a pixel may come from")


class CommandRemover(Section):
    """Any program: it reads two folders of PNG files and writes a third."""

    kind: Literal["command"]
    command: list[str] = Field(
        min_length=1, description="with {frames}, {masks} and {result} for the three folders"
    )
    minutes: float = Field(default=30, gt=0, description="after which it is stopped")


class ComfyRemover(Section):
    """A workflow on a ComfyUI server; its load and save nodes are found by their titles."""

    kind: Literal["comfyui"]
    server: str = Field(default="http://127.0.0.1:8188", description="address of the server")
    workflow: Path = Field(description="the workflow, saved by `Export (API)`")
    source_title: str = Field(default="Source", description="title of the node that loads frames")
    mask_title: str = Field(default="Mask", description="title of the node that loads the masks")
    result_title: str = Field(default="Result", description="title of the node that saves")
    minutes: float = Field(default=30, gt=0, description="after which a clip counts as failed")


Remover = Annotated[BackgroundRemover | CommandRemover | ComfyRemover, Field(discriminator="kind")]


class CandidatesConfig(Section):
    """What is tried for each object."""

    grow: tuple[int, ...] = Field(
        default=(0, 3, 5, 7, 10, 15), description="widths d in pixels by which masks are grown"
    )
    remover: Remover = BackgroundRemover()
    preview_side: int = Field(default=480, ge=64, description="of the pictures people see")
    preview_frames: int = Field(default=32, ge=2, description="of a clip that people see")
    max_leftover: float | None = Field(
        default=None, gt=0, description="of 255; a candidate that leaves more is refused"
    )
    max_flicker: float | None = Field(default=None, gt=0, description="of 255, likewise")
    max_unseen: float | None = Field(
        default=None, gt=0, le=1, description="share of the hole that no frame shows, likewise"
    )

    @field_validator("grow")
    @classmethod
    def _rising(cls, grow: tuple[int, ...]) -> tuple[int, ...]:
        if not grow or any(d < 0 for d in grow) or list(grow) != sorted(set(grow)):
            raise ValueError(f"needs different widths from small to large, got {list(grow)}")
        return grow


class SelectionConfig(Section):
    """How people's choices count."""

    annotators: int = Field(default=1, ge=1, description="people who see each item")
    without_people: Literal["best", "nothing"] = Field(
        default="nothing",
        description="what is exported of items that nobody has seen: the best by the figures",
    )


class ServerEngine(Section):
    """A server that speaks the OpenAI protocol: vLLM, Ollama, llama.cpp and others."""

    kind: Literal["server"]
    url: str = Field(description="such as http://127.0.0.1:8000/v1")
    model: str = Field(description="the model's name on the server")
    key_file: Path | None = Field(default=None, description="file that holds the API key, if any")
    temperature: float = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=300, ge=16)
    seconds: float = Field(default=120, gt=0, description="to wait for an answer")


class FolderEngine(Section):
    """A LLaVA in a folder, run by transformers."""

    kind: Literal["folder"]
    folder: Path
    quantization: Literal["none", "8-bit", "4-bit"] = "none"
    device: str = "cpu"
    temperature: float = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=300, ge=16)


Engine = Annotated[ServerEngine | FolderEngine, Field(discriminator="kind")]


class TalksConfig(Section):
    """Who describes a frame, who asks, who replies."""

    describe: Engine = Field(description="sees a frame")
    request: Engine | None = Field(default=None, description="text alone; null: as `describe`")
    reply: Engine | None = Field(default=None, description="sees a frame; null: as `describe`")
    tries: int = Field(default=3, ge=1, description="how often each answer is asked for")
    seed: int = 0


class ExportConfig(Section):
    """The data set that is written."""

    output: Path = Field(description="folder of the data set, in ROVI's layout")
    shards: bool = Field(default=False, description="as WebDataset shards, too")
    test_share: float = Field(
        default=0.1, ge=0, lt=1, description="of the clips whose source names no split"
    )
    title: str = Field(default="Videos with objects removed by instructions")
    license: str = Field(default="", description="of the data set, for its card")


class BuildConfig(Section):
    """The whole file. Paths are relative to the folder that the command runs in."""

    state: Path = Field(description="folder that everything is kept in; one run at a time")
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    frames: FramesConfig = FramesConfig()
    masks: MasksConfig = MasksConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    selection: SelectionConfig = SelectionConfig()
    talks: TalksConfig | None = None
    export: ExportConfig
    gpus: dict[str, float] = Field(
        default={}, description="GPUs of one job, by stage, for Ray; such as {masks: 1}"
    )

    @field_validator("sources")
    @classmethod
    def _different(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names = [source.name for source in sources]
        if len(set(names)) < len(names):
            raise ValueError(f"sources need different names, got {', '.join(names)}")
        return sources
