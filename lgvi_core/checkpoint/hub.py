"""Download of model weights, which happens only when the user asks for it."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import huggingface_hub
from tqdm import tqdm

from ..errors import LGVIError
from .checkpoint import CHAT_PARTS_FILE, SUB_MODELS
from .files import FOLDER_SUFFIXES
from .own_settings import SETTINGS_FILE

REPOSITORY = "jianzongwu/lgvi"
SMALL_FILES = (
    *(f"{part}/config.json" for part in SUB_MODELS),
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "scheduler/scheduler_config.json",
    CHAT_PARTS_FILE.as_posix(),
    SETTINGS_FILE,
)
CHAT_SMALL_FILES = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "lgvi_chat.json",
)
REVISION_FILE = ".lgvi_revision"
"""File that holds the commit to which the folder is pinned from its first byte on."""
COMPLETE_FILE = ".lgvi_complete"
"""File that lists the model's files once all of them are downloaded."""

DownloadCallback = Callable[[int, int], None]
"""Called with (bytes done, bytes in total). It may raise to stop; the next download resumes."""

FileChoice = Callable[[Iterable[str]], list[str]]
"""Selects the needed files of a repository; raises LGVIError where they are missing."""


def needed_files(available: Iterable[str]) -> list[str]:
    """Return the files of an LGVI repository that the loader reads, safetensors if available."""
    available = set(available)
    needed = [name for name in SMALL_FILES if name in available]
    for part, stems in SUB_MODELS.items():
        names = [f"{part}/{stem}{suffix}" for suffix in FOLDER_SUFFIXES for stem in stems]
        needed += [name for name in names if name in available][:1]
    if not any(name.startswith("unet/diffusion") for name in needed):
        raise LGVIError("the repository holds no unet/diffusion_pytorch_model weights")
    return needed


def needed_chat_files(available: Iterable[str]) -> list[str]:
    """Return the files of a LLaVA repository that the loader reads, safetensors if available."""
    available = set(available)
    needed = [name for name in CHAT_SMALL_FILES if name in available]
    top = [name for name in sorted(available) if "/" not in name]
    weights = [name for name in top if name.endswith(".safetensors")]
    weights = weights or [n for n in top if n.startswith("pytorch_model") and n.endswith(".bin")]
    if not weights:
        raise LGVIError("the repository holds no weights of a chat model")
    return needed + weights


def download_model(
    folder: Path,
    progress: DownloadCallback | None = None,
    repository: str = REPOSITORY,
    endpoint: str | None = None,
    choose: FileChoice = needed_files,
) -> Path:
    """Download what the loader needs of `repository` into `folder`, unless it is there already.

    The commit that the hub reports first is recorded before the first byte, and every resumed
    download asks for the same commit. Complete files are not downloaded again. Raises LGVIError
    that says what to do where the hub cannot be reached or the disk is full.
    """
    if _is_complete(folder):
        return folder
    bar: Any = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pinned = folder / REVISION_FILE
        revision = pinned.read_text().strip() if pinned.is_file() else None
        info = huggingface_hub.HfApi(endpoint=endpoint).model_info(
            repository, revision=revision, files_metadata=True
        )
        pinned.write_text(str(info.sha))
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        names = choose(sizes)
        bar = _progress_class(progress, sum(sizes[name] for name in names))
        for name in names:
            _fetch_file(repository, name, str(info.sha), folder, endpoint, bar)
            bar.finish_file(sizes[name])
        (folder / COMPLETE_FILE).write_text("\n".join(names))
    except LGVIError:
        raise
    except Exception as error:
        # huggingface_hub lets through the errors of its HTTP client, which differs by version.
        if bar is not None and bar.stopped_by is not None:
            raise bar.stopped_by from None
        raise LGVIError(
            f"{repository} could not be fetched into {folder} ({type(error).__name__}: {error}). "
            "Check the network and the free disk space (several GB) and run again: the download "
            f"resumes. Or copy the model's folder into {folder.parent} by hand."
        ) from error
    return folder


def _is_complete(folder: Path) -> bool:
    """Return whether every file that a finished download listed is still there."""
    listing = folder / COMPLETE_FILE
    return listing.is_file() and all(
        (folder / name).is_file() for name in listing.read_text().splitlines()
    )


def _fetch_file(
    repository: str, name: str, revision: str, folder: Path, endpoint: str | None, bar: type
) -> None:
    options: dict[str, Any] = {}
    if "tqdm_class" in inspect.signature(huggingface_hub.hf_hub_download).parameters:
        options["tqdm_class"] = bar
    huggingface_hub.hf_hub_download(
        repository, name, revision=revision, local_dir=folder, endpoint=endpoint, **options
    )


def _progress_class(progress: DownloadCallback | None, total_bytes: int) -> Any:
    """Make a tqdm class for huggingface_hub that reports the bytes of all files together."""

    class Bar(tqdm):
        finished = 0
        stopped_by: Exception | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            Bar.report(Bar.finished + int(self.n))
            return shown

        @classmethod
        def finish_file(cls, size: int) -> None:
            """Count a finished file; reports and cancels also where the library takes no bar."""
            if cls.stopped_by is not None:
                raise cls.stopped_by
            cls.finished += size
            cls.report(cls.finished)

        @classmethod
        def report(cls, done: int) -> None:
            if progress is not None:
                try:
                    progress(min(done, total_bytes), total_bytes)
                except Exception as stop:
                    cls.stopped_by = stop
                    raise

    return Bar
