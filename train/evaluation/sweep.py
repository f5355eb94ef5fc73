"""A sweep over settings of the sampling: its configuration, and which setting is chosen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator
from typing_extensions import Self

from lgvi_core.checkpoint.checkpoint import load_own_settings
from lgvi_core.checkpoint.own_settings import OwnSettings

from .config import EvaluateConfig, LGVIConfig, Section
from .names import MEASURES
from .statistics import Statistic

WORTH = ("right", "visible", "clean", "damage")
"""Shares by which settings are compared, unless the configuration names others."""
CLEAR = 1e-9
"""Slack for rounding."""


class SweptSettings(Section):
    """One point of the sweep: fields of a checkpoint's own settings; the rest stay as they are."""

    steps: int = Field(ge=1)
    text_scale: float = Field(1.0, ge=0)
    video_scale: float = Field(1.0, ge=0)
    sampler: str = "euler"
    scheduler: str = Field("simple", description="simple is trailing, ddim_uniform leading")
    guidance_start: float = Field(0.0, ge=0, le=1)
    guidance_end: float = Field(1.0, ge=0, le=1)

    def describe(self) -> str:
        """A short name, such as "4 x 2, euler simple, scales 2 and 1"."""
        scales = f"scales {self.text_scale:g} and {self.video_scale:g}"
        limited = (self.guidance_start, self.guidance_end) != (0.0, 1.0)
        part = f" from {self.guidance_start:g} to {self.guidance_end:g}" if limited else ""
        return f"{self.steps} {self.sampler} {self.scheduler}, {scales}{part}"


class SweepConfig(EvaluateConfig):
    """An evaluation whose only method, a model, is tried with several settings."""

    settings: tuple[SweptSettings, ...] = Field(min_length=1, description="what is tried")
    worth: tuple[str, ...] = Field(WORTH, description="shares by which settings are compared")
    within: float = Field(
        0.01, ge=0, description="how much worse than the best a setting may be, in every share"
    )

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if len(self.methods) != 1 or not isinstance(self.methods[0], LGVIConfig):
            raise ValueError("a sweep has one method, an LGVI model (lgvi, lgvi_mllm or lgvi_i)")
        if doubled := {s.describe() for s in self.settings if self.settings.count(s) > 1}:
            raise ValueError(f"settings are given twice: {sorted(doubled)}")
        if unfit := [name for name in self.worth if name not in MEASURES]:
            raise ValueError(f"unknown measures {unfit}")
        if unfit := [name for name in self.worth if not MEASURES[name].share]:
            raise ValueError(f"worth takes shares; {unfit} are none")
        return self

    @property
    def model(self) -> LGVIConfig:
        """The method that is swept."""
        method = self.methods[0]
        assert isinstance(method, LGVIConfig)
        return method

    def expanded(self) -> EvaluateConfig:
        """The evaluation with one method for every setting, the cheapest first."""
        own = load_own_settings(self.model.model)
        cheapest_first = sorted(self.settings, key=lambda s: merged(own, s).passes)
        methods = [
            self.model.model_copy(update={**s.model_dump(), "name": s.describe()})
            for s in cheapest_first
        ]
        return EvaluateConfig.model_validate(
            {
                **self.model_dump(exclude={"settings", "worth", "within", "methods"}),
                "methods": [method.model_dump() for method in methods],
            }
        )


def read_sweep_config(path: Path, overrides: Mapping[str, Any]) -> SweepConfig:
    """Read and check a YAML file; pydantic's ValidationError names a wrong or unknown key.

    `overrides` are `model`, `clips` (of the data) and keys of the file's top level, where None
    keeps the file's value.
    """
    values: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    given = {key: value for key, value in overrides.items() if value is not None}
    if "model" in given:
        for method in values.get("methods") or []:
            method["model"] = given["model"]
        del given["model"]
    if "clips" in given:
        values.setdefault("data", {})["clips"] = given.pop("clips")
    return SweepConfig.model_validate(values | given)


def merged(own: OwnSettings, swept: SweptSettings) -> OwnSettings:
    """A checkpoint's own settings with those of a point of the sweep in their place."""
    return OwnSettings.model_validate(own.model_dump() | swept.model_dump())


@dataclass(frozen=True)
class Point:
    """A setting and its figures."""

    settings: SweptSettings
    passes: int
    measures: Mapping[str, Statistic]

    def loss(self, name: str) -> float:
        """Share of clips or objects that are not as they should be."""
        mean = self.measures[name].mean
        return 1 - mean if MEASURES[name].better == "up" else mean


def choose(points: Sequence[Point], worth: Iterable[str], within: float) -> tuple[Point, Point]:
    """The cheapest setting that is nearly as good as the best, and the best.

    The best has the lowest mean loss over the shares `worth`. Another one qualifies where none of
    them is worse by more than `within`; of those with as few passes the better one is taken.
    Raises ValueError where a share was measured for no clip.
    """
    names = tuple(worth)
    if missing := [n for n in names if any(n not in p.measures for p in points)]:
        raise ValueError(f"no clip has the measures {missing}: choose other data or other `worth`")

    def mean_loss(point: Point) -> float:
        return sum(point.loss(name) for name in names) / len(names)

    best = min(points, key=lambda p: (mean_loss(p), p.passes))
    fit = [p for p in points if all(p.loss(n) <= best.loss(n) + within + CLEAR for n in names)]
    return min(fit, key=lambda p: (p.passes, mean_loss(p))), best
