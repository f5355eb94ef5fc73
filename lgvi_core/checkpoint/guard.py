"""Calls of the tokenizers library that end in time, and whose failures end no worker.

Its Rust code panics on what it did not expect. That reaches Python as a BaseException, which ends
the thread of ComfyUI that runs the prompts, so that none runs any more.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..errors import CheckpointError

SECONDS = 30.0
"""Time that a text may take; a long one takes a tenth of a second."""

Result = TypeVar("Result")


@contextmanager
def panics_as_errors(what: str) -> Iterator[None]:
    """Raise CheckpointError that names `what` for whatever the tokenizers library raises here."""
    try:
        yield
    except BaseException as error:
        # The class has no name that can be imported.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"{what} cannot be used ({type(error).__name__}: {error})") from error


def in_time(call: Callable[[], Result], what: str, seconds: float = SECONDS) -> Result:
    """Return the result of `call`, which runs in a thread of its own.

    Raises CheckpointError that names `what` where it fails or takes longer than `seconds`. Nothing
    can end the thread then; it goes on until its text is done.
    """
    found: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # a panic too; it is raised again below
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    with panics_as_errors(what):
        if failed:
            raise failed[0]
    if not found:
        raise CheckpointError(
            f"{what} took more than {seconds:g} seconds for a text: do not use this model"
        )
    return found[0]
