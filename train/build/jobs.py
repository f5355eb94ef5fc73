"""What there is to do: the stages that run by themselves, and the clips that each one gets."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .config import BuildConfig
from .sources.clips import clips_of
from .state import State, checksum, key_of

logger = logging.getLogger(__name__)

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


Work = Callable[[Job, Path], dict[str, Any]]
"""Does a job: writes files to a folder and returns facts. Raises BrokenClip."""


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


def jobs_of(config: BuildConfig, state: State, stage: str) -> Iterator[Job]:
    """The jobs of a stage that takes its clips from the one before: all but the conversations."""
    if stage == SOURCES:
        yield from _source_jobs(config)
        return
    for key, made_with in current(config, state, BEFORE[stage]):
        yield job_of(config, stage, key, made_with)


def current(config: BuildConfig, state: State, stage: str) -> Iterator[tuple[str, str]]:
    """Clips that a stage lets go on, as (key, checksum), if they are of today's configuration."""
    for job in jobs_of(config, state, stage):
        done = state.result(stage, job.key)
        if done is not None and done.made_with == job.made_with and not done.problem:
            yield job.key, job.made_with


def _source_jobs(config: BuildConfig) -> Iterator[Job]:
    seen: Counter[str] = Counter()
    for clip in clips_of(config):
        key = key_of(clip.source, clip.name)
        seen[key] += 1
        if seen[key] > 1:
            logger.warning("%s: a second clip has this name; it is left out", key)
            continue
        yield job_of(config, SOURCES, key, checksum(asdict(clip)), clip)
