"""Models and settings of a removal from a whole video file."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE

from ...lgvi_core.checkpoint.own_settings import OwnSettings
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.settings import MaskSettings, SamplingSettings, split_settings
from ...lgvi_core.windows import context_windows
from .conditioning import Conditioning


@dataclass(frozen=True)
class Removal:
    """Models and settings of a removal, by the names of the inputs of LGVI Remove From Video."""

    model: ModelPatcher
    vae: Any
    positive: Conditioning
    negative: Conditioning
    working_size: int
    working_fps: float
    window: int
    overlap: int
    segment: int
    crf: int
    background: bool = False
    """Whether the background that other frames show is put back, and only the rest painted."""
    reach: int = 40
    """Number of frames away from which the background may come."""
    look_every: int = 0
    """Distance in frames of those that a first look is taken at; 0 where there is none."""
    crop: bool = False
    """Whether a small object is worked on in a crop that follows it."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)

    def __post_init__(self) -> None:
        if not math.isfinite(self.working_fps):
            raise LGVIError(f"working_fps must be a number, got {self.working_fps}")
        context_windows(1, self.window, self.overlap)  # raises if they do not fit together
        if self.look_every < 0:
            raise LGVIError(
                f"look_every must be 0, for no first look, or more; got {self.look_every}"
            )
        if self.overlap >= self.segment:
            raise LGVIError(
                f"segments of {self.segment} frames cannot share {self.overlap}: make segment "
                "larger"
            )

    @classmethod
    def from_inputs(
        cls,
        model: ModelPatcher,
        vae: VAE,
        positive: Conditioning,
        negative: Conditioning,
        **inputs: Any,
    ) -> "Removal":
        """Make a removal from a node's `inputs`, which hold all settings side by side."""
        sampling, inputs = split_settings(SamplingSettings, inputs)
        mask, inputs = split_settings(MaskSettings, inputs)
        return cls(model, vae, positive, negative, sampling=sampling, mask=mask, **inputs)

    def complete(self, own: OwnSettings) -> "Removal":
        """Return the removal with the model's own settings in the place of what stands for them."""
        size = own.working_size_for(self.working_size)
        return replace(self, working_size=size, sampling=self.sampling.complete(own))

    @property
    def looks(self) -> bool:
        """Whether a first look is taken."""
        return self.crop or self.look_every > 0

    def stride(self, fps: float) -> int:
        """Return the distance in frames, at `fps`, of neighbouring frames that the model sees."""
        return max(1, round(fps / self.working_fps)) if self.working_fps > 0 else 1
