"""Where a run's figures and pictures go: TensorBoard, and accelerate's other trackers."""

import json
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from pydantic import Field, model_validator
from typing_extensions import Self

from lgvi_core.errors import LGVIError

from .config import RunConfig, Section, TrackerSettings

TENSORBOARD = "tensorboard"
"""TensorBoard's name as a tracker, and the folder of its files in a run's output."""


class TrackerConfig(Section):
    """Settings of the trackers; each but TensorBoard needs its own package."""

    names: tuple[str, ...] = Field(
        (TENSORBOARD,),
        description="accelerate's names, such as tensorboard, wandb, mlflow, comet_ml; [] is none",
    )
    project: str = Field("lgvi", min_length=1, description="project in which others file the run")
    options: dict[str, dict[str, Any]] = Field(
        {}, description="by tracker, arguments of its start, such as wandb: {name: third-run}"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted({*self.names} - {*LOGGER_TYPE_TO_CLASS}):
            raise ValueError(f"no such trackers: {unknown}; there are {[*LOGGER_TYPE_TO_CLASS]}")
        if unused := sorted(self.options.keys() - {*self.names}):
            raise ValueError(f"options of trackers that are not in names: {unused}")
        return self


def check_trackers(config: TrackerSettings) -> None:
    """Raise LGVIError for a tracker whose package is missing; accelerate would pass it over."""
    available = {str(name) for name in get_available_trackers()}
    if missing := [name for name in config.names if name not in available]:
        packages = " ".join(name.replace("_", "-") for name in missing)
        raise LGVIError(
            f"trackers.names: {', '.join(missing)} not installed. Install what is missing (pip "
            f"install {packages}), or leave it out"
        )


def start_trackers(accelerator: Accelerator, config: RunConfig, first: int) -> None:
    """Start the configured trackers of a run that goes on after step `first`."""
    chosen, started = list(accelerator.log_with), []
    for name in chosen:
        own = config.trackers.options.get(str(name), {})
        accelerator.log_with, accelerator.trackers = [name], []
        if str(name) == TENSORBOARD:
            # Drops entries that a killed run logged after its checkpoint; they come again.
            own = {**({"purge_step": first + 1} if first else {}), **own}
            accelerator.init_trackers(TENSORBOARD, init_kwargs={TENSORBOARD: own})
        else:
            values = json.loads(config.model_dump_json())
            accelerator.init_trackers(config.trackers.project, values, {str(name): own})
        started += accelerator.trackers
    accelerator.log_with, accelerator.trackers = chosen, started


def track_picture(accelerator: Accelerator, name: str, picture: np.ndarray, step: int) -> None:
    """Hand a picture, uint8 RGB [h, w, 3], to the trackers that take pictures."""
    for tracker in accelerator.trackers:
        if tracker.name == TENSORBOARD:
            # Its own method, because accelerate's adds a dimension to the name of the entry.
            if accelerator.is_main_process:
                tracker.tracker.add_image(name, picture, step, dataformats="HWC")
        elif hasattr(tracker, "log_images"):
            tracker.log_images({name: [picture]}, step=step)
