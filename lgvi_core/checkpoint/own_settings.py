"""Settings that a checkpoint carries, because its weights want them: the model's own.

A folder holds them in `lgvi.json`, a single file under `settings` of its `lgvi_config`. A
checkpoint without them wants those of the official weights, `OFFICIAL`. `train.sweep` finds them by
measurement and writes them.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..config import parse_config
from ..errors import CheckpointError
from .files import read_json

SETTINGS_FILE = "lgvi.json"
"""File of the settings, in the checkpoint's folder."""
SETTINGS_KEY = "settings"
"""Name of the settings in the metadata of a single file."""


class OwnSettings(BaseModel):
    """Settings that the weights want; the defaults are those of the paper's inference code."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    working_size: int = Field(512, ge=8, le=4096)
    """Longer side in pixels that the model works at."""
    steps: int = Field(50, ge=1, le=1000)
    text_scale: float = Field(3.0, ge=0, le=30)
    video_scale: float = Field(1.5, ge=0, le=30)
    sampler: str = Field("euler", min_length=1)
    """Sampling method by ComfyUI's name; euler is equivalent to DDIM."""
    scheduler: str = Field("normal", min_length=1)
    """Spacing of the steps over the noise levels, by ComfyUI's name."""
    guidance_start: float = Field(0.0, ge=0, le=1)
    """Share of the denoising from which on there is guidance."""
    guidance_end: float = Field(1.0, ge=0, le=1)
    """Share of the denoising up to which there is guidance."""

    @property
    def passes(self) -> int:
        """Number of passes of the U-Net for one clip, as `lgvi_core.sampling` makes them."""
        text, video = self.text_scale, self.video_scale
        branches = 1 + (text != video) + (video != 1)
        guided = sum(
            self.guidance_start <= step / self.steps <= self.guidance_end
            for step in range(self.steps)
        )
        return guided * branches + self.steps - guided

    def working_size_for(self, asked: int) -> int:
        """Return the working size for what a person `asked`: the model's own if it is negative."""
        return self.working_size if asked < 0 else asked


OFFICIAL = OwnSettings(steps=16, sampler="dpmpp_2m", scheduler="simple", guidance_end=0.6)
"""What the official weights get: 36 passes in place of the released code's 150.

These numbers were not measured on the official weights; `train.sweep` does that where they are.
"""


def read_own_settings(folder: Path) -> OwnSettings:
    """Read the settings of a checkpoint's folder; raises LGVIError that names every wrong key."""
    path = folder / SETTINGS_FILE
    return parse_own_settings(read_json(path), str(path)) if path.is_file() else OFFICIAL


def parse_own_settings(values: Any, origin: str) -> OwnSettings:
    """Check the `values` of a JSON object; raises LGVIError that names `origin` and wrong keys."""
    if not isinstance(values, dict):
        raise CheckpointError(f"{origin}: the model's own settings are not a JSON object")
    return parse_config(OwnSettings, values, origin)
