"""The stages that run by themselves, in their order, and what the result of each depends on."""

from dataclasses import dataclass
from typing import Any

from .config import BuildConfig
from .state import checksum

SOURCES, MASKS, CANDIDATES, TALKS = "sources", "masks", "candidates", "talks"
STAGES = (SOURCES, MASKS, CANDIDATES, TALKS)
"""In the order in which a clip walks through them."""
BEFORE = {MASKS: SOURCES, CANDIDATES: MASKS, TALKS: CANDIDATES}
"""The stage whose result each one takes."""


@dataclass(frozen=True)
class Job:
    """One clip for one stage; `given` is what the stage takes beside the results before it."""

    stage: str
    key: str
    made_with: str
    given: Any = None


def settings_of(config: BuildConfig, stage: str) -> dict[str, Any]:
    """The part of a configuration that a stage's results depend on."""
    part = {
        SOURCES: config.frames,
        MASKS: config.masks,
        CANDIDATES: config.candidates,
        TALKS: config.talks,
    }[stage]
    return {} if part is None else part.model_dump(mode="json", exclude={"device"})


def job_of(config: BuildConfig, stage: str, key: str, before: str, given: Any = None) -> Job:
    """The job of a stage for a clip; `before` is the checksum of what it is made from."""
    return Job(stage, key, checksum(stage, settings_of(config, stage), before), given)
