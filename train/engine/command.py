"""The command lines of trainings and exports: a mistake ends in one message, not a traceback."""

import argparse
import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from lgvi_core.errors import LGVIError

from .config import Config, read_yaml_config
from .progress import start_logging

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
"""Errors of files that the person at the machine can mend."""


@contextmanager
def told_errors() -> Iterator[None]:
    """Exit with the message where the block raises what a person can mend: settings, a disk."""
    try:
        yield
    except LGVIError as error:
        sys.exit(str(error))
    except SafetensorError as error:
        sys.exit(f"a file of weights cannot be written or read: {error}")
    except OSError as error:
        if error.errno not in _DISK:
            raise
        sys.exit(f"{error.filename or 'a file'} cannot be written: {error.strerror}")


def train_command(
    doc: str | None, keys: str, kind: type[Config], train: Callable[[Config], None]
) -> None:
    """Run a training as a command with the option --config, whose `keys` a file describes."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help=f"YAML file, see {keys}")
    args = parser.parse_args()
    start_logging()
    with told_errors():
        train(read_yaml_config(args.config, kind))
