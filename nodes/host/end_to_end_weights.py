"""The `llava_weights.pth` files that make a LLaVA the chat model of LGVI-I."""

from collections.abc import Iterator
from pathlib import Path

import folder_paths

from .catalogue import VIDEO_MODELS, is_accessible, list_folder

OWN_WEIGHTS = "the model's own"
"""Menu entry for a chat model that has end-to-end weights of its own, or needs none."""
FILE = "llava_weights.pth"


def names() -> list[str]:
    """Return the menu's entries."""
    return [OWN_WEIGHTS, *sorted(name for name, _ in _found())]


def path_of(name: str) -> Path | None:
    """Return the file called `name` in the menu; None for the model's own weights.

    It is also None where there is no such file: ask `exists` first.
    """
    return next((path for known, path in _found() if known == name), None)


def exists(name: str) -> bool:
    """Return whether `name` is an entry of the menu at this moment."""
    return name == OWN_WEIGHTS or path_of(name) is not None


def missing_message(name: str) -> str:
    """Return the message for a person whose workflow names a missing file."""
    home = folder_paths.get_folder_paths("lgvi")[0]
    return (
        f"end-to-end weights {name!r} are not there: they are the llava/{FILE} of an LGVI-I "
        f"folder in {home}. Choose {OWN_WEIGHTS!r} for a model that has its own, or none."
    )


def _found() -> Iterator[tuple[str, Path]]:
    for kind in VIDEO_MODELS.kinds:
        for entry in list_folder(kind):
            path = entry / "llava" / FILE
            if is_accessible(path.is_file):
                yield f"{entry.name}/llava/{FILE}", path
