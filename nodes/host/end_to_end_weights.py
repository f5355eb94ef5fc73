"""The `llava_weights.pth` files that make a LLaVA the chat model of LGVI-I."""

from collections.abc import Iterator
from pathlib import Path

import folder_paths

from .catalogue import VIDEO_MODELS, is_accessible, list_folder

OWN_WEIGHTS = "the model's own"
"""The menu's entry for a chat model that brings everything itself, or needs nothing."""
FILE = "llava_weights.pth"


def names() -> list[str]:
    """The menu's entries."""
    return [OWN_WEIGHTS, *sorted(name for name, _ in _found())]


def path_of(name: str) -> Path | None:
    """The file called `name` in the menu; None for the model's own.

    Also None where there is no such file: ask `exists` first.
    """
    return next((path for known, path in _found() if known == name), None)


def exists(name: str) -> bool:
    """Whether `name` is one of the menu's, now."""
    return name == OWN_WEIGHTS or path_of(name) is not None


def missing_message(name: str) -> str:
    """What to tell a person whose workflow names a file that is not there."""
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
