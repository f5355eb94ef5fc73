"""Which models there are: bundled, in ComfyUI's model folders, or to be downloaded."""

from collections.abc import Iterator
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
    return f"{name} {stats(_local_path(name))}"


def stats(path: Path | None) -> list[tuple[int, int]]:
    """(bytes, time of change) of a file, or of every file in a folder; nothing of None."""
    if path is None:
        return []
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return [(found.st_size, found.st_mtime_ns) for found in (file.stat() for file in files)]


def resolve(name: str) -> Path:
    """The folder or file behind ``name``, downloaded first where that was chosen."""
    from ..lgvi_core.errors import LGVIError

    if name in _bundled():
        return BUNDLED_FOLDERS[name]
    if name in DOWNLOADS:
        from . import download

        repository = DOWNLOADS[name]
        root = Path(folder_paths.get_folder_paths("lgvi")[0])
        return download.fetch(root / repository.replace("/", "-"), repository)
    path = _local_path(name)
    if path is None:
        raise LGVIError(missing_message(name))
    return path


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
        for root in map(Path, folder_paths.get_folder_paths(kind)):
            for entry in sorted(root.iterdir()) if root.is_dir() else ():
                is_file = kind == "lgvi" and entry.suffix == ".safetensors" and entry.is_file()
                if is_file or (entry / "unet").is_dir():
                    yield entry
