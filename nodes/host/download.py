"""The explicit download of a model, with ComfyUI's progress bar and its cancel button."""

from pathlib import Path

import comfy.model_management
import comfy.utils

from ...lgvi_core.checkpoint.hub import download_model, needed_chat_files, needed_files

FILES = {"lgvi": needed_files, "lgvi_chat": needed_chat_files}
"""Which files of a repository are needed, by the model folder that they go to."""


def fetch(folder: Path, repository: str, kind: str) -> Path:
    """Download the `repository` of a model of that `kind` into `folder`, and return the folder.

    Cancelling keeps what has arrived; the next call goes on from there.
    """
    bar: comfy.utils.ProgressBar | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar = bar or comfy.utils.ProgressBar(total)
        bar.update_absolute(done, total)

    return download_model(folder, show, repository, choose=FILES[kind])
