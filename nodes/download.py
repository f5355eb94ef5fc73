"""The explicit download of the official weights, with ComfyUI's progress bar and cancel."""

from pathlib import Path

import comfy.model_management
import comfy.utils

from ..lgvi_core.hub import FileChoice, download_model, needed_chat_files, needed_files


def fetch(folder: Path, repository: str) -> Path:
    """Download an LGVI model into ``folder``; cancelling keeps what has arrived."""
    return _fetch(folder, repository, needed_files)


def fetch_chat(folder: Path, repository: str) -> Path:
    """Download a LLaVA into ``folder``; cancelling keeps what has arrived."""
    return _fetch(folder, repository, needed_chat_files)


def _fetch(folder: Path, repository: str, choose: FileChoice) -> Path:
    bar: comfy.utils.ProgressBar | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar = bar or comfy.utils.ProgressBar(total)
        bar.update_absolute(done, total)

    return download_model(folder, show, repository, choose=choose)
