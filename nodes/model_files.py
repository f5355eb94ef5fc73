"""Which models there are: bundled, in ComfyUI's model folders, or to be downloaded."""

from collections.abc import Callable, Iterator
from pathlib import Path

import folder_paths

WEIGHTS = Path(__file__).parents[1] / "lgvi_core" / "weights"
BUNDLED = "lgvi-mini (bundled)"
BUNDLED_FOLDERS = {
    BUNDLED: WEIGHTS / "lgvi-mini",
    "lgvi-mini-i (bundled, end to end)": WEIGHTS / "lgvi-mini-i",
}
DOWNLOADS = {
    f"download {repository}": repository for repository in ("jianzongwu/lgvi", "jianzongwu/lgvi-i")
}


def list_models() -> list[str]:
    """Names for the loader's menu."""
    return [*_bundled(), *sorted(set(_local_models())), *DOWNLOADS]


def exists(name: str) -> bool:
    return name in (*_bundled(), *DOWNLOADS) or _local_path(name) is not None


def missing_message(name: str) -> str:
    return (
        f"LGVI model {name!r} is not there. Put a diffusers folder or an LGVI .safetensors file "
        f"into {folder_paths.get_folder_paths('lgvi')[0]}, or choose {BUNDLED!r} or a download."
    )


def fingerprint(name: str) -> str:
    """Changes when the files behind ``name`` do, so that a replaced model is loaded again."""
    path = _download_folder(name) if name in DOWNLOADS else _local_path(name)
    return f"{name} {stats(path)}"


def stats(path: Path | None) -> list[tuple[int, int]]:
    """(bytes, time of change) of a file, or of every file in a folder; nothing of None."""
    if path is None or not says(path.exists):
        return []
    files = sorted(f for f in path.rglob("*") if says(f.is_file)) if path.is_dir() else [path]
    return [(found.st_size, found.st_mtime_ns) for found in (file.stat() for file in files)]


def resolve(name: str) -> Path:
    """The folder or file behind ``name``, downloaded first where that was chosen."""
    from ..lgvi_core.errors import LGVIError

    if name in _bundled():
        return BUNDLED_FOLDERS[name]
    if name in DOWNLOADS:
        from . import download

        return download.fetch(_download_folder(name), DOWNLOADS[name])
    path = _local_path(name)
    if path is None:
        raise LGVIError(missing_message(name))
    return path


def entries_of(kind: str) -> Iterator[Path]:
    """What is in ComfyUI's folders of that kind; one that cannot be read is as good as empty."""
    for root in map(Path, folder_paths.get_folder_paths(kind)):
        try:
            yield from sorted(root.iterdir())
        except OSError:
            continue


def says(check: Callable[[], bool]) -> bool:
    """Whether a check of a path says yes; without permission to look it says no.

    An exception would keep the whole pack from loading, because menus are made then.
    """
    try:
        return check()
    except OSError:
        return False


def _download_folder(name: str) -> Path:
    root = Path(folder_paths.get_folder_paths("lgvi")[0])
    return root / DOWNLOADS[name].replace("/", "-")


def _bundled() -> list[str]:
    return [name for name, folder in BUNDLED_FOLDERS.items() if folder.is_dir()]


def _local_models() -> Iterator[str]:
    return (entry.name for entry in _entries())


def _local_path(name: str) -> Path | None:
    """The entry called ``name``; only names that the menu can show, so no path leads elsewhere."""
    return next((entry for entry in _entries() if entry.name == name), None)


def _entries() -> Iterator[Path]:
    """Diffusers folders, and single files in the folders that are LGVI's own."""
    for kind in ("lgvi", "diffusers"):
        for entry in entries_of(kind):
            is_weights = kind == "lgvi" and entry.suffix == ".safetensors"
            if (is_weights and says(entry.is_file)) or says((entry / "unet").is_dir):
                yield entry
