"""What each stage does with one clip: a function that writes a folder and returns facts."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lgvi_core.errors import LGVIError

from .config import BuildConfig
from .errors import BrokenClip
from .stages import CANDIDATES, MASKS, SOURCES, Job
from .state import Result, State

logger = logging.getLogger(__name__)

Work = Callable[[Job, Path], dict[str, Any]]
"""Does a job: writes files to a folder and returns facts. Raises BrokenClip."""


def open_work(config: BuildConfig, stage: str) -> Work:
    """The function of a stage; what it opens, such as a model, serves all jobs of a process.

    Only what the stage needs is imported: the page needs no PyTorch.
    """
    state = State(config.state)
    if stage == SOURCES:
        from .sources.take import take

        return lambda job, out: take(job.given, config.frames, out)
    if stage == MASKS:
        from .masks.engines import open_engine, open_words_engine
        from .masks.stage import propagate

        engine, words = open_engine(config.masks), open_words_engine(config.masks)
        return lambda job, out: propagate(
            _facts(state, SOURCES, job),
            state.folder(SOURCES, job.key),
            config.masks,
            engine,
            words,
            out,
        )
    if stage == CANDIDATES:
        from .candidates.removers import open_remover
        from .candidates.stage import make_candidates

        remove = open_remover(config.candidates.remover)
        return lambda job, out: make_candidates(
            _facts(state, MASKS, job),
            state.folder(SOURCES, job.key),
            state.folder(MASKS, job.key),
            config.candidates,
            remove,
            out,
        )
    from .talks.stage import open_talks

    return open_talks(config, state)


def do(config: BuildConfig, work: Work, job: Job) -> Result:
    """Do one job and put its result in its place. Safe to be done twice at once."""

    def guarded(out: Path) -> dict[str, Any]:
        try:
            return work(job, out)
        except (BrokenClip, LGVIError, MemoryError):
            raise
        except Exception as error:  # one clip of a million must not end the run
            logger.exception("%s failed for %s", job.stage, job.key)
            raise BrokenClip(f"{job.stage} failed: {type(error).__name__}: {error}") from error

    return State(config.state).make(job.stage, job.key, job.made_with, guarded)


def _facts(state: State, stage: str, job: Job) -> dict[str, Any]:
    result = state.result(stage, job.key)
    assert result is not None, f"{job.key}: {stage} is not done"
    return result.facts
