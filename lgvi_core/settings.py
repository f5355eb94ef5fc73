"""Settings of a removal, with every default in one place. This module imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import LGVIError

if TYPE_CHECKING:
    from .checkpoint.own_settings import OwnSettings

Settings = TypeVar("Settings", bound="SamplingSettings | MaskSettings")

OWN = -1
"""Number that stands for the model's own value, or for an automatic one; any negative does."""
OWN_NAME = "the model's own"
"""Name that stands for the model's own sampler or scheduler."""
GROW_CELLS = 0.75
"""Cells by which an automatic margin grows the mask: the predicted one is as coarse as a cell."""
FEATHER_CELLS = 0.375
"""Cells over which an automatic margin fades out."""
MOST_CELLS = 64
"""Cells along the longer side, beyond which an automatic margin gets no finer.

That is the official weights' 512 pixels. It also stands for the model where none is known.
"""
LATENT_SIDE = 8
"""Side in pixels of what one value of the latent covers on the canvas."""


@dataclass(frozen=True)
class SamplingSettings:
    """Settings of the sampling; by default all but the seed are the model's own.

    The guided prediction is none + `video_scale` * (video - none) + `text_scale` * (text - video).
    """

    seed: int = 0
    steps: int = OWN
    text_scale: float = OWN
    video_scale: float = OWN
    sampler: str = OWN_NAME
    """Sampling method by ComfyUI's name; euler is equivalent to DDIM."""
    scheduler: str = OWN_NAME
    """Spacing of the steps over the noise levels, by ComfyUI's name."""
    guidance_start: float = OWN
    """Share of the denoising, 0 to 1, from which on there is guidance; see `guides`."""
    guidance_end: float = OWN
    """Share of the denoising, 0 to 1, up to which there is guidance."""

    def __post_init__(self) -> None:
        if self.steps == 0:
            raise LGVIError("steps must be at least 1, or negative for the model's own; got 0")
        if not (self.guidance_start <= 1 and self.guidance_end <= 1):
            raise LGVIError(
                "guidance_start and guidance_end are shares of the denoising from 0 to 1, or "
                f"negative for the model's own; got {self.guidance_start:g} and "
                f"{self.guidance_end:g}"
            )

    def guides(self, progress: float) -> bool:
        """Return whether a step at this `progress`, from 0 (noise) to 1, uses the guidance.

        Outside the interval the prediction is that of text and video alone, in a single pass
        (Kynkaanniemi et al. 2024, "Applying Guidance in a Limited Interval").
        """
        return self.guidance_start <= progress <= self.guidance_end

    def complete(self, own: OwnSettings) -> SamplingSettings:
        """Return the settings with the model's own values in the place of what stands for them."""
        return replace(
            self,
            steps=own.steps if self.steps < 0 else self.steps,
            text_scale=own.text_scale if self.text_scale < 0 else self.text_scale,
            video_scale=own.video_scale if self.video_scale < 0 else self.video_scale,
            sampler=own.sampler if self.sampler == OWN_NAME else self.sampler,
            scheduler=own.scheduler if self.scheduler == OWN_NAME else self.scheduler,
            guidance_start=own.guidance_start if self.guidance_start < 0 else self.guidance_start,
            guidance_end=own.guidance_end if self.guidance_end < 0 else self.guidance_end,
        )


@dataclass(frozen=True)
class MaskSettings:
    """Settings that turn a predicted mask into the result's opacity; see `masks.soft_mask`."""

    threshold: float = 0.5
    """Smallest mask value that counts as the object, 0 to 1."""
    grow: int = 0
    """Pixels by which the mask is grown; a negative number shrinks it.

    With an automatic feather they are added to the automatic growth.
    """
    feather: int = OWN
    """Pixels over which the grown mask fades out; a negative number is automatic.

    Automatic also grows the mask, by as much as the model's cells are large.
    """

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise LGVIError(f"threshold must be a number from 0 to 1, got {self.threshold}")

    def in_pixels(self, size: tuple[int, int], cell: float | None = None) -> MaskSettings:
        """Return the settings for frames of `size` (height, width), with nothing automatic.

        `cell` is the side in pixels of what one value of the latent covers, None where no model is
        known.
        """
        if self.feather >= 0:
            return self
        cell = max(cell or 0, max(size) / MOST_CELLS)
        grow = self.grow + max(1, round(GROW_CELLS * cell))
        return replace(self, grow=grow, feather=max(1, round(FEATHER_CELLS * cell)))


def missing_margin(cell: float, size: tuple[int, int]) -> int:
    """Return the pixels by which an automatic margin falls short that does not know of `cell`.

    `cell` is the side in pixels of what one value of the latent covers, in frames of `size`
    (height, width); what does not know it takes a pixel of the canvas for one of the frame.
    """
    return max(0, round(GROW_CELLS * (cell - max(LATENT_SIDE, max(size) / MOST_CELLS))))


def split_settings(
    kind: type[Settings], values: Mapping[str, Any]
) -> tuple[Settings, dict[str, Any]]:
    """Split a node's input `values` into settings of class `kind` and the remaining values."""
    names = {field.name for field in fields(kind)}
    own = {name: value for name, value in values.items() if name in names}
    return kind(**own), {name: value for name, value in values.items() if name not in names}
