"""Download of a model that a person chose, with ComfyUI's progress bar and cancel button."""

from pathlib import Path

import comfy.model_management
import comfy.utils

from ...lgvi_core.checkpoint.hub import download_model, needed_chat_files, needed_files

FILES = {"lgvi": needed_files, "lgvi_chat": needed_chat_files}
"""Functions that choose the needed files of a repository, by kind of model folder."""


def fetch(folder: Path, repository: str, kind: str) -> Path:
    """Download a model's `repository` into `folder`, and return `folder`.

    `kind` is a key of `FILES`. Cancelling keeps what has arrived; the next call resumes there.
    """
    bar: comfy.utils.ProgressBar | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar = bar or comfy.utils.ProgressBar(total)
        bar.update_absolute(done, total)

    return download_model(folder, show, repository, choose=FILES[kind])
