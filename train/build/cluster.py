"""The same jobs on a Ray cluster, whose machines share the folder of state.

A machine that dies takes its running jobs with it: Ray starts them again elsewhere. Because a
result appears by one rename, a job that was done twice leaves one result.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from lgvi_core.errors import LGVIError

from .config import BuildConfig
from .runner import Spread
from .stages import Job
from .state import Result
from .work import do, open_work

_RETRIES = 20
_AHEAD = 4  # jobs submitted for each CPU of the cluster


def on_cluster(address: str) -> Spread:
    """Spread jobs over the cluster at `address`, such as `auto` or `ray://head:10001`.

    Raises LGVIError where Ray is not installed or no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise LGVIError("--ray needs the package ray: `pip install ray`") from error

    def spread(config: BuildConfig, stage: str, jobs: list[Job]) -> Iterator[tuple[Job, Result]]:
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise LGVIError(f"no Ray cluster answers at {address}: {error}") from error
        task: Any = ray.remote(
            num_cpus=1, num_gpus=config.gpus.get(stage, 0), max_retries=_RETRIES
        )(_do)
        settings = config.model_dump_json()
        most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting, running = iter(jobs), {}
        for job in waiting:
            running[task.remote(settings, job)] = job
            if len(running) < most:
                continue
            yield from _finished(ray, running)
        while running:
            yield from _finished(ray, running)

    return spread


def _finished(ray: Any, running: dict[Any, Job]) -> Iterator[tuple[Job, Result]]:
    done, _ = ray.wait(list(running), num_returns=1)
    for reference in done:
        yield running.pop(reference), ray.get(reference)


_opened: dict[tuple[str, str], Callable[..., Any]] = {}


def _do(settings: str, job: Job) -> Result:
    """One job in a worker of Ray, which keeps what a stage opened."""
    config = BuildConfig.model_validate_json(settings)
    key = (settings, job.stage)
    if key not in _opened:
        from ..engine.workers import use_threads

        use_threads(1)
        _opened[key] = open_work(config, job.stage)
    return do(config, _opened[key], job)
