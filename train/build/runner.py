"""Runs the stages over all clips: what is done is skipped, what is broken is named and counted."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from ..engine.workers import results_as_they_come
from .config import BuildConfig
from .jobs import jobs_of
from .stages import TALKS, Job
from .state import Result, State
from .work import do, open_work

logger = logging.getLogger(__name__)

RUN_LOCK = "run"
Spread = Callable[[BuildConfig, str, list[Job]], Iterator[tuple[Job, Result]]]
"""Does all jobs of a stage, somewhere, and yields each with its result as it comes."""


@dataclass
class StageReport:
    """What a stage did in this run and what it has in all."""

    stage: str
    total: int = 0
    skipped: int = 0
    """Clips that were done before."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Clips that are left out, and why."""
    notes: list[str] = field(default_factory=list)
    """Objects that are left out of clips that stay, and why."""

    def __str__(self) -> str:
        used = self.total - len(self.left_out)
        lines = [f"{self.stage}: {self.total} clips, {used} go on, {self.skipped} were done before"]
        kinds = Counter(_kind(reason) for reason in self.left_out.values())
        lines += [f"  left out: {reason} ({count})" for reason, count in kinds.most_common()]
        lines += [f"  {key}: {reason}" for key, reason in sorted(self.left_out.items())]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Worker:
    """Factory of a function that does one job, in any process."""

    config: BuildConfig
    stage: str

    def __call__(self) -> Callable[[Job], Result]:
        work = open_work(self.config, self.stage)
        return lambda job: do(self.config, work, job)


def in_processes(workers: int) -> Spread:
    """Spread jobs over processes of this machine."""

    def spread(config: BuildConfig, stage: str, jobs: list[Job]) -> Iterator[tuple[Job, Result]]:
        yield from results_as_they_come(_Worker(config, stage), jobs, workers if workers > 1 else 0)

    return spread


def run_stages(
    config: BuildConfig, stages: Iterable[str], spread: Spread, retry: bool = False
) -> list[StageReport]:
    """Bring the stages up to date, in their order, and report on each.

    With `retry`, clips that were left out are tried again. Raises LGVIError where another run has
    the state, or where a source or an engine cannot be used.
    """
    state = State(config.state)
    reports = []
    with state.lock(RUN_LOCK):
        for stage in stages:
            if left := state.forget_partials(stage):
                logger.info("%s: cleared %d clips that a stopped run left half done", stage, left)
            reports.append(_run(config, state, stage, spread, retry))
            logger.info("%s", reports[-1])
    return reports


def _run(config: BuildConfig, state: State, stage: str, spread: Spread, retry: bool) -> StageReport:
    report = StageReport(stage)
    todo = []
    for job in _jobs(config, state, stage):
        report.total += 1
        done = state.result(stage, job.key)
        if done is not None and done.made_with == job.made_with and not (retry and done.problem):
            report.skipped += 1
            _note(report, done)
        else:
            todo.append(job)
    results = spread(config, stage, todo) if todo else iter(())
    for _, result in tqdm(results, total=len(todo), desc=stage, unit="clip", disable=None):
        _note(report, result)
    report.notes.sort()
    return report


def _jobs(config: BuildConfig, state: State, stage: str) -> Iterator[Job]:
    if stage != TALKS:
        return jobs_of(config, state, stage)
    from .talks.stage import talk_jobs

    return talk_jobs(config, state)


def _note(report: StageReport, result: Result) -> None:
    if result.problem:
        report.left_out[result.key] = result.problem
    report.notes += [f"{result.key}, {note}" for note in result.facts.get("left_out", [])]


def _kind(reason: str) -> str:
    """A reason without its numbers and names, to count alike ones."""
    first = reason.split(";")[0]
    for start in ("object ",):
        if first.startswith(start):
            first = first.split(":", 1)[-1].strip()
    return first.split(":")[0].strip()[:60]


def costs(config: BuildConfig, stage: str) -> dict[str, Any]:
    """What a stage cost over all clips: seconds of work, of the processor, and gigabytes."""
    state = State(config.state)
    found = [state.cost(stage, result.key) for result in state.results(stage)]
    total = {name: sum(cost.get(name, 0) for cost in found) for name in ("seconds", "cpu_seconds")}
    return {"clips": len(found), **total, "bytes": sum(cost.get("bytes", 0) for cost in found)}
