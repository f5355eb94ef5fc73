"""The explicit download of the official weights, with ComfyUI's progress bar and cancel."""

from pathlib import Path

import comfy.model_management
import comfy.utils

from ..lgvi_core.hub import download_model


def fetch(folder: Path) -> Path:
    """Download into ``folder`` what is not there yet; cancelling keeps what has arrived."""
    bar: comfy.utils.ProgressBar | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar = bar or comfy.utils.ProgressBar(total)
        bar.update_absolute(done, total)

    return download_model(folder, show)
