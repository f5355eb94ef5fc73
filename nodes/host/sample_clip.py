"""The sample clip in ComfyUI's input folder, so that the templates run at the first click."""

from __future__ import annotations

import logging
import shutil
import uuid
from pathlib import Path

logger = logging.getLogger(__name__)

_SAMPLE = Path(__file__).parents[2] / "workflows" / "inputs" / "lgvi_sample.mp4"
_FOLDER = "lgvi_clips"  # what the template batch_folder works through


def provide_sample_clip(input_folder: Path) -> None:
    """Copy the sample clip into `input_folder`, and into a folder of clips there.

    A file of that name, or a folder of clips that is there already, is left as it is. Where the
    folder cannot be written, the log says so and how to bring the clip there; nothing is raised.
    """
    try:
        _copy_once(input_folder / _SAMPLE.name)
        if not (input_folder / _FOLDER).exists():
            _copy_once(input_folder / _FOLDER / _SAMPLE.name)
    except OSError as error:
        logger.warning(
            "LGVI: the sample clip of the templates could not be copied (%s). "
            "To run them as they are, copy %s into %s yourself.",
            error,
            _SAMPLE,
            input_folder,
        )


def _copy_once(target: Path) -> None:
    """Copy the sample to `target` unless something is there; never leaves a part of it there."""
    if target.exists() or target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        shutil.copyfile(_SAMPLE, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
