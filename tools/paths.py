"""Places in this repository, and links to them."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository's root, which is also the pack's."""


def link_folder(link: Path, folder: Path) -> None:
    """Make `link` lead to `folder`, on Windows by a junction, which needs no special rights.

    A link that is there already is left alone.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.exists():
        return
    if os.name == "nt":
        import _winapi

        _winapi.CreateJunction(str(folder), str(link))  # type: ignore[attr-defined]
    else:
        link.symlink_to(folder, target_is_directory=True)
