"""Regular files: a pipe in a model's folder would be waited for, a device read without end."""

import stat
from pathlib import Path

from ..errors import CheckpointError


def check_regular(path: Path) -> None:
    """Raise CheckpointError where `path` is a pipe, a device or a folder, or links to one.

    Raises FileNotFoundError where there is nothing.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise CheckpointError(f"{path}: not a file, but a folder, a pipe or a device")


def check_folder(folder: Path) -> None:
    """Raise CheckpointError that names a pipe or a device in `folder`, which libraries would read.

    Links that lead nowhere are left to those who read them.
    """
    for path in folder.iterdir():
        if path.exists() and not path.is_dir():
            check_regular(path)
