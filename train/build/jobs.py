"""Which clips a stage has to do, from the sources and from the results of the stage before."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from .config import BuildConfig
from .sources.clips import clips_of
from .stages import BEFORE, SOURCES, Job, job_of
from .state import State, checksum, key_of

logger = logging.getLogger(__name__)


def jobs_of(config: BuildConfig, state: State, stage: str) -> Iterator[Job]:
    """Every job of a stage up to the candidates, done or not."""
    if stage == SOURCES:
        yield from _of_sources(config)
        return
    for key, made_with in current(config, state, BEFORE[stage]):
        yield job_of(config, stage, key, made_with)


def _of_sources(config: BuildConfig) -> Iterator[Job]:
    seen: Counter[str] = Counter()
    for clip in clips_of(config):
        key = key_of(clip.source, clip.name)
        seen[key] += 1
        if seen[key] > 1:
            logger.warning("%s: a second clip has this name; it is left out", key)
            continue
        yield job_of(config, SOURCES, key, checksum(asdict(clip)), clip)


def current(config: BuildConfig, state: State, stage: str) -> Iterator[tuple[str, str]]:
    """Clips that a stage lets go on, as (key, checksum), if they are of today's configuration."""
    for job in jobs_of(config, state, stage):
        done = state.result(stage, job.key)
        if done is not None and done.made_with == job.made_with and not done.problem:
            yield job.key, job.made_with
