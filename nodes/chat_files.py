"""Which chat models there are: bundled, in models/lgvi_chat, or to be downloaded."""

from collections.abc import Iterator
from pathlib import Path

import folder_paths

from .model_files import entries_of, says, stats

BUNDLED = "lgvi-mini-chat (bundled)"
BUNDLED_FOLDER = Path(__file__).parents[1] / "lgvi_core" / "weights" / "lgvi-mini-chat"
NONE = "none in models/lgvi_chat yet"
REPOSITORY = "llava-hf/llava-1.5-7b-hf"
DOWNLOAD = f"download {REPOSITORY}"
DOWNLOAD_FOLDER = REPOSITORY.replace("/", "-")
OWN_PARTS = "the model's own"
PARTS_FILE = "llava_weights.pth"


def list_models() -> list[str]:
    """Names for the loader's menu."""
    there = [*_bundled(), *sorted({entry.name for entry in _entries()})]
    return [*(there or [NONE]), DOWNLOAD]


def exists(name: str) -> bool:
    return name in (*_bundled(), DOWNLOAD) or _local_path(name) is not None


def missing_message(name: str) -> str:
    folder = folder_paths.get_folder_paths("lgvi_chat")[0]
    others = " or ".join(repr(other) for other in (*_bundled(), DOWNLOAD))
    return (
        f"chat model {name!r} is not there. Put a LLaVA folder into {folder}, or choose {others}."
    )


def fingerprint(name: str, parts: str) -> str:
    """Changes when the files behind the names do, so that a replaced model is loaded again."""
    path = _download_folder() if name == DOWNLOAD else _local_path(name)
    return f"{name} {parts} {stats(path)} {stats(parts_path(parts))}"


def resolve(name: str) -> Path:
    """The folder behind ``name``, downloaded first where that was chosen."""
    from ..lgvi_core.errors import LGVIError

    if name in _bundled():
        return BUNDLED_FOLDER
    if name == DOWNLOAD:
        from . import download

        return download.fetch_chat(_download_folder(), REPOSITORY)
    path = _local_path(name)
    if path is None:
        raise LGVIError(missing_message(name))
    return path


def list_parts() -> list[str]:
    """Names for the menu of end-to-end weights."""
    return [OWN_PARTS, *sorted(name for name, _ in _parts())]


def parts_path(name: str) -> Path | None:
    """The file of end-to-end weights called ``name``; None for the model's own.

    Also None where there are none of that name: ask ``parts_exist`` first.
    """
    return next((path for known, path in _parts() if known == name), None)


def parts_exist(name: str) -> bool:
    return name == OWN_PARTS or parts_path(name) is not None


def missing_parts_message(name: str) -> str:
    folder = folder_paths.get_folder_paths("lgvi")[0]
    return (
        f"end-to-end weights {name!r} are not there: they are the llava/{PARTS_FILE} of an LGVI-I "
        f"folder in {folder}. Choose {OWN_PARTS!r} for a model that has its own, or none."
    )


def _download_folder() -> Path:
    return Path(folder_paths.get_folder_paths("lgvi_chat")[0]) / DOWNLOAD_FOLDER


def _bundled() -> list[str]:
    return [BUNDLED] if BUNDLED_FOLDER.is_dir() else []


def _local_path(name: str) -> Path | None:
    """The entry called ``name``; only names that the menu can show, so no path leads elsewhere."""
    return next((entry for entry in _entries() if entry.name == name), None)


def _entries() -> Iterator[Path]:
    for entry in entries_of("lgvi_chat"):
        if says((entry / "config.json").is_file):
            yield entry


def _parts() -> Iterator[tuple[str, Path]]:
    for kind in ("lgvi", "diffusers"):
        for entry in entries_of(kind):
            path = entry / "llava" / PARTS_FILE
            if says(path.is_file):
                yield f"{entry.name}/llava/{PARTS_FILE}", path
