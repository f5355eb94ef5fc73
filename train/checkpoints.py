"""Checkpoints that a kill, a full disk or a torn file cannot spoil.

A checkpoint is written beside the others under a passing name, sealed with a list of its files'
sizes and checksums, and only then renamed. Reading takes the newest one whose seal is intact.
"""

import json
import logging
import os
import shutil
import zlib
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

logger = logging.getLogger(__name__)

SEAL = "seal.json"
WEIGHTS = "weights.safetensors"
BLOCK = 1 << 20


def save(
    accelerator: Accelerator, folder: Path, step: int, weights: dict[str, Tensor], keep: int
) -> bool:
    """Writes `folder/step-<step>` and drops all but the `keep` newest.

    The whole training state goes into it, and `weights`, those that are exported. Returns False,
    with the reason in the log, where the disk would not take it; what was there before stays.
    """
    final = folder / f"step-{step:08d}"
    partial = final.with_suffix(".partial")
    error: Exception | None = None
    try:
        if accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        if accelerator.is_main_process:
            save_file(weights, partial / WEIGHTS, {"format": "pt"})
    except (OSError, RuntimeError, SafetensorError) as reason:
        error = reason
    accelerator.wait_for_everyone()
    written = True
    if accelerator.is_main_process:
        try:
            if error is not None:
                raise error
            _seal(partial)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
            for old in sorted(folder.glob("step-*[0-9]"))[:-keep]:
                shutil.rmtree(old)
        except (OSError, RuntimeError, SafetensorError) as reason:
            written = False
            shutil.rmtree(partial, ignore_errors=True)
            logger.error(
                "checkpoint %s could not be written, the last one stays: %s", final, reason
            )
    accelerator.wait_for_everyone()
    return written


def newest(folder: Path) -> Path | None:
    """The newest intact checkpoint; damaged ones are named in the log and left alone."""
    for checkpoint in sorted(folder.glob("step-*[0-9]"), reverse=True):
        if problem := _damage(checkpoint):
            logger.warning(
                "checkpoint %s is damaged (%s); trying the one before", checkpoint, problem
            )
        else:
            return checkpoint
    return None


def load(accelerator: Accelerator, folder: Path) -> Path | None:
    """Restores the newest intact state in every process; None where there is none."""
    found = [newest(folder) if accelerator.is_main_process else None]
    if accelerator.num_processes > 1:
        broadcast_object_list(found)
    if found[0] is not None:
        accelerator.load_state(str(found[0]))
    return found[0]


def _seal(checkpoint: Path) -> None:
    files = {}
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file():
            files[path.relative_to(checkpoint).as_posix()] = [path.stat().st_size, _checksum(path)]
            with path.open("rb") as file:
                os.fsync(file.fileno())
    with (checkpoint / SEAL).open("w") as file:
        json.dump(files, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint; None where its files are as they were written."""
    try:
        files = json.loads((checkpoint / SEAL).read_text())
        for name, (size, checksum) in files.items():
            path = checkpoint / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size or _checksum(path) != checksum:
                return f"{name} has changed"
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"no readable seal: {error}"
    return None


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return value
