"""Worker processes for work that is cut into jobs: drawing, encoding, checking, evaluating."""

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
"""Called once in every process; returns the function that does a job there.

What it opens, such as a model, is opened once for all jobs of a process.
"""

AHEAD = 2
"""Jobs per process that are handed out at a time, so that an error or Ctrl-C ends all soon."""

_work: Callable[[Any], Any]


def map_in_workers(
    make_work: MakeWork[Job, Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """The results of the jobs, in their order, from so many processes of one thread each.

    With 0 workers the work is done in this process, with its threads.
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
    """The jobs with their results, those first that are done first, from so many processes.

    With 0 workers the work is done in this process, with its threads.
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
    """Keep libraries of this process to so many threads."""
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


@contextmanager
def _pool(make_work: Callable[[], Any], workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: a fork of a process with threads, or with a GPU, may hang.
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
    """A killed parent cannot tell its processes; without this they would wait for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _run(job: Any) -> Any:
    return _work(job)
