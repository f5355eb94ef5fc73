"""The models in a loader's menu: bundled ones, those in ComfyUI's folders, and downloads."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import folder_paths

WEIGHTS = Path(__file__).parents[2] / "lgvi_core" / "weights"
"""Folder of the bundled models."""


@dataclass(frozen=True)
class Catalogue:
    """The models of one menu."""

    title: str
    """What the models are called in messages."""
    needs: str
    """What a person can put into the first folder, for messages."""
    bundled: Mapping[str, Path]
    """Folders of the bundled models, by their names in the menu."""
    downloads: Mapping[str, str]
    """Repositories on the hub, by their names in the menu."""
    kinds: tuple[str, ...]
    """ComfyUI's model folders that are searched; downloads go to the first one."""
    is_model: Callable[[str, Path], bool]
    """Decides whether an entry at (kind of folder, path) is a model of this menu."""

    def names(self) -> list[str]:
        """Return the menu's entries: bundled models, then others by name, then downloads.

        Where there is no model yet, the first entry says so, so that no download is the default.
        """
        here = [*self._present(), *sorted({path.name for path in self._entries()})]
        return [*(here or [f"none in models/{self.kinds[0]} yet"]), *self.downloads]

    def exists(self, name: str) -> bool:
        """Return whether `name` is an entry of the menu at this moment."""
        return name in (*self._present(), *self.downloads) or self._path(name) is not None

    def missing_message(self, name: str) -> str:
        """Return the message for a person whose workflow names a missing model."""
        home = folder_paths.get_folder_paths(self.kinds[0])[0]
        bundled = next(self._present(), None)
        download = repr(next(iter(self.downloads))) if len(self.downloads) == 1 else "a download"
        others = download if bundled is None else f"{bundled!r} or {download}"
        return (
            f"{self.title} {name!r} is not there. Put {self.needs} into {home}, or choose {others}."
        )

    def fingerprint(self, name: str) -> str:
        """Return a text that changes with the files of `name`, so that they are loaded again."""
        path = self.download_folder(name) if name in self.downloads else self._path(name)
        return f"{name} {file_stats(path)}"

    def resolve(self, name: str) -> Path:
        """Return the folder or file of `name`; a model chosen for download is downloaded first.

        Raises LGVIError where there is no such model.
        """
        from ...lgvi_core.errors import LGVIError

        if name in self._present():
            return self.bundled[name]
        if name in self.downloads:
            from . import download

            return download.fetch(self.download_folder(name), self.downloads[name], self.kinds[0])
        path = self._path(name)
        if path is None:
            raise LGVIError(self.missing_message(name))
        return path

    def download_folder(self, name: str) -> Path:
        """Return the folder for the download called `name`."""
        home = Path(folder_paths.get_folder_paths(self.kinds[0])[0])
        return home / self.downloads[name].replace("/", "-")

    def _present(self) -> Iterator[str]:
        return (name for name, folder in self.bundled.items() if folder.is_dir())

    def _path(self, name: str) -> Path | None:
        """Find `name` among the entries, so that no name can lead outside the model folders."""
        return next((path for path in self._entries() if path.name == name), None)

    def _entries(self) -> Iterator[Path]:
        for kind in self.kinds:
            yield from (path for path in list_folder(kind) if self.is_model(kind, path))


def list_folder(kind: str) -> Iterator[Path]:
    """Yield the entries of ComfyUI's model folders of a kind; unreadable ones count as empty."""
    for root in map(Path, folder_paths.get_folder_paths(kind)):
        try:
            yield from sorted(root.iterdir())
        except OSError:
            continue


def is_accessible(check: Callable[[], bool]) -> bool:
    """Return the result of a check such as `path.is_file`; False where access is denied.

    Menus are made while the pack is loaded, and an exception then would lose all of its nodes.
    """
    try:
        return check()
    except OSError:
        return False


def file_stats(path: Path | None) -> list[tuple[int, int]]:
    """Return (size in bytes, modification time in ns) of a file or of all files in a folder.

    The list is empty for None and for a path that does not exist.
    """
    if path is None or not is_accessible(path.exists):
        return []
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if is_accessible(file.is_file))
    return [(found.st_size, found.st_mtime_ns) for found in (file.stat() for file in files)]


def _is_video_model(kind: str, path: Path) -> bool:
    """Return whether this is a diffusers folder, or a single file in LGVI's own model folder."""
    is_weights = kind == "lgvi" and path.suffix == ".safetensors"
    return (is_weights and is_accessible(path.is_file)) or is_accessible((path / "unet").is_dir)


def _is_chat_model(kind: str, path: Path) -> bool:
    return is_accessible((path / "config.json").is_file)


BUNDLED_VIDEO_MODEL = "lgvi-mini (bundled)"
VIDEO_MODELS = Catalogue(
    title="LGVI model",
    needs="a diffusers folder or an LGVI .safetensors file",
    bundled={
        BUNDLED_VIDEO_MODEL: WEIGHTS / "lgvi-mini",
        "lgvi-mini-i (bundled, end to end)": WEIGHTS / "lgvi-mini-i",
    },
    downloads={
        f"download {repository}": repository
        for repository in ("jianzongwu/lgvi", "jianzongwu/lgvi-i")
    },
    kinds=("lgvi", "diffusers"),
    is_model=_is_video_model,
)
LLAVA = "llava-hf/llava-1.5-7b-hf"
CHAT_MODELS = Catalogue(
    title="chat model",
    needs="a LLaVA folder",
    bundled={"lgvi-mini-chat (bundled)": WEIGHTS / "lgvi-mini-chat"},
    downloads={f"download {LLAVA}": LLAVA},
    kinds=("lgvi_chat",),
    is_model=_is_chat_model,
)
