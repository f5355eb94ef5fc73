"""What a person sets for a removal, with every default in one place. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from .errors import LGVIError

Settings = TypeVar("Settings", bound="SamplingSettings | MaskSettings")


@dataclass(frozen=True)
class SamplingSettings:
    """How a clip is sampled. The defaults are those of the released inference code.

    Guidance is none + `video_scale` * (video - none) + `text_scale` * (text - video).
    """

    seed: int = 0
    steps: int = 50
    text_scale: float = 3.0
    video_scale: float = 1.5
    sampler: str = "euler"
    """ComfyUI's name of the sampling method; euler is DDIM."""
    scheduler: str = "normal"
    """ComfyUI's name of how the steps are spread over the noise levels."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise LGVIError(f"steps must be at least 1, got {self.steps}")


@dataclass(frozen=True)
class MaskSettings:
    """How a predicted mask becomes the opacity of the result, as in `masks.soft_mask`."""

    threshold: float = 0.5
    """Mask values from here on count as the object."""
    grow: int = 8
    """Pixels that the mask is grown by; a negative number shrinks it."""
    feather: int = 8
    """Pixels over which the grown mask fades out."""


def take(kind: type[Settings], values: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """The settings of a `kind` among a node's input `values`, and the values that are left."""
    names = {field.name for field in fields(kind)}
    own = {name: value for name, value in values.items() if name in names}
    return kind(**own), {name: value for name, value in values.items() if name not in names}
