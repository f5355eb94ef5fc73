"""Jobs run in worker processes: drawing, encoding, checking, evaluating."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

import cv2
import torch

Job = TypeVar("Job")
Result = TypeVar("Result")
MakeWork = Callable[[], Callable[[Job], Result]]
"""A factory, called once in every process, of the function that does one job.

What the factory opens, such as a model, serves all jobs of its process.
"""

AHEAD = 2
"""Number of jobs per process that are submitted ahead; few, so that an error ends the run soon."""

_work: Callable[[Any], Any]


def map_in_workers(
    make_work: MakeWork[Job, Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """Yield the results of `jobs` in their order, from `workers` single-threaded processes.

    With 0 workers the jobs run in this process, with all its threads.
    """
    if workers == 0:
        yield from map(make_work(), jobs)
        return
    with _pool(make_work, workers) as pool:
        waiting, running = iter(jobs), deque[Future[Result]]()
        while True:
            for job in islice(waiting, AHEAD * workers - len(running)):
                running.append(pool.submit(_run, job))
            if not running:
                return
            yield running.popleft().result()


def results_as_they_come(
    make_work: MakeWork[Job, Result], jobs: Iterable[Job], workers: int
) -> Iterator[tuple[Job, Result]]:
    """Yield each job and its result as it finishes, from `workers` single-threaded processes.

    With 0 workers the jobs run in this process, with all its threads.
    """
    if workers == 0:
        work = make_work()
        yield from ((job, work(job)) for job in jobs)
        return
    with _pool(make_work, workers) as pool:
        waiting = iter(jobs)
        running: dict[Future[Result], Job] = {}
        while True:
            for job in islice(waiting, AHEAD * workers - len(running)):
                running[pool.submit(_run, job)] = job
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


def use_threads(count: int) -> None:
    """Limit PyTorch and OpenCV in this process to `count` threads."""
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


@contextmanager
def _pool(make_work: Callable[[], Any], workers: int) -> Iterator[ProcessPoolExecutor]:
    # Processes are spawned because a fork of a process with threads or a GPU may hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (make_work,)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _start(make_work: Callable[[], Callable[[Any], Any]]) -> None:
    global _work
    Thread(target=_end_with_parent, daemon=True).start()
    use_threads(1)
    _work = make_work()


def _end_with_parent() -> None:
    """Exit when the parent process ends; after a kill, workers would otherwise wait forever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _run(job: Any) -> Any:
    return _work(job)
