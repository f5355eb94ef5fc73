"""Settings of a removal, with every default in one place. This module imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from .errors import LGVIError

Settings = TypeVar("Settings", bound="SamplingSettings | MaskSettings")


@dataclass(frozen=True)
class SamplingSettings:
    """Settings of the sampling. The defaults are those of the released inference code.

    The guided prediction is none + `video_scale` * (video - none) + `text_scale` * (text - video).
    """

    seed: int = 0
    steps: int = 50
    text_scale: float = 3.0
    video_scale: float = 1.5
    sampler: str = "euler"
    """Sampling method by ComfyUI's name; euler is equivalent to DDIM."""
    scheduler: str = "normal"
    """Spacing of the steps over the noise levels, by ComfyUI's name."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise LGVIError(f"steps must be at least 1, got {self.steps}")


@dataclass(frozen=True)
class MaskSettings:
    """Settings that turn a predicted mask into the result's opacity; see `masks.soft_mask`."""

    threshold: float = 0.5
    """Smallest mask value that counts as the object, 0 to 1."""
    grow: int = 8
    """Pixels by which the mask is grown; a negative number shrinks it."""
    feather: int = 8
    """Pixels over which the grown mask fades out."""


def split_settings(
    kind: type[Settings], values: Mapping[str, Any]
) -> tuple[Settings, dict[str, Any]]:
    """Split a node's input `values` into settings of class `kind` and the remaining values."""
    names = {field.name for field in fields(kind)}
    own = {name: value for name, value in values.items() if name in names}
    return kind(**own), {name: value for name, value in values.items() if name not in names}
