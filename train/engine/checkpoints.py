"""Checkpoints that survive a killed process, a full disk or a truncated file.

A checkpoint is written under a temporary name, sealed with a list of its files' sizes and
checksums, and only then renamed. Resuming takes the newest checkpoint whose seal is intact.
"""

import json
import logging
import os
import pickle
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lgvi_core.errors import LGVIError

logger = logging.getLogger(__name__)

SEAL = "seal.json"
WEIGHTS = "weights.safetensors"
MODEL = "model.safetensors"
PATTERN = "step-*[0-9]"
BLOCK = 1 << 20


def keep_trained_only(accelerator: Accelerator, model: nn.Module) -> None:
    """Make checkpoints hold only the trained parameters of `model`, not the frozen ones.

    They are stored under the names of the unwrapped model, so that the number of processes may
    change. Loading raises LGVIError if the checkpoint is of another model.
    """

    def write(_: list[nn.Module], states: list[dict[str, Tensor]], folder: str) -> None:
        states.clear()
        if accelerator.is_main_process:
            save_file(
                {name: p.detach().contiguous() for name, p in _trained(model)},
                Path(folder) / MODEL,
            )

    def read(models: list[nn.Module], folder: str) -> None:
        models.clear()
        path = Path(folder) / MODEL
        state = {name.removeprefix("module."): v for name, v in load_file(path).items()}
        with torch.no_grad():
            for name, parameter in _trained(model):
                if name not in state or state[name].shape != parameter.shape:
                    raise LGVIError(f"{path} is of another model: {name} is not the same there")
                parameter.copy_(state[name])

    accelerator.register_save_state_pre_hook(write)
    accelerator.register_load_state_pre_hook(read)


def save(
    accelerator: Accelerator, folder: Path, step: int, weights: dict[str, Tensor], keep: int
) -> bool:
    """Write `folder/step-<step>`, then delete all but the `keep` newest checkpoints up to it.

    It holds the whole training state and, in a file of their own, the exported `weights`. If any
    process fails to write, all return False, the reason is logged, and older checkpoints stay.
    """
    final = folder / f"step-{step:08d}"
    partial = final.with_suffix(".partial")

    def prepare() -> None:
        for stale in folder.glob("*.partial"):
            shutil.rmtree(stale)
        partial.mkdir(parents=True)

    def finish() -> None:
        save_file(weights, partial / WEIGHTS, {"format": "pt"})
        _seal(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)

    def write_state() -> None:
        accelerator.save_state(str(partial))

    main = accelerator.is_main_process
    for work, is_mine in ((prepare, main), (write_state, True), (finish, main)):
        if reason := _attempt(accelerator, work if is_mine else None):
            if main:
                free = shutil.disk_usage(folder).free / 1e6
                shutil.rmtree(partial, ignore_errors=True)
                logger.error(
                    "checkpoint %s could not be written, the last one stays: %s (%.0f MB of the "
                    "disk are free with what there was of it)",
                    final,
                    reason,
                    free,
                )
            return False
    if main:
        # Checkpoints of later steps are damaged, or this run would have resumed from them. They
        # must not displace intact ones.
        earlier = [p for p in sorted(folder.glob(PATTERN)) if p.name <= final.name]
        for old in earlier[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
    return True


def newest(folder: Path) -> Path | None:
    """The newest intact checkpoint, if any; damaged ones are logged and left alone."""
    for checkpoint in sorted(folder.glob(PATTERN), reverse=True):
        if problem := _damage(checkpoint):
            logger.warning(
                "checkpoint %s is damaged (%s); trying the one before", checkpoint, problem
            )
        else:
            return checkpoint
    return None


def find(accelerator: Accelerator, folder: Path) -> Path | None:
    """The newest intact checkpoint, the same in every process; None if there is no checkpoint.

    Raises LGVIError if there are checkpoints and all are damaged.
    """
    found = [newest(folder) if accelerator.is_main_process else None]
    if accelerator.num_processes > 1:
        broadcast_object_list(found)
    if found[0] is None and any(folder.glob(PATTERN)):
        raise LGVIError(
            f"every checkpoint in {folder} is damaged. Bring one back, or empty the folder to "
            "start from the beginning"
        )
    return found[0]


def load(accelerator: Accelerator, checkpoint: Path) -> None:
    """Restore the state that `save` wrote.

    Raises LGVIError if it is of another model, or if a pickle in it holds more than tensors.
    """
    for path in checkpoint.glob("custom_checkpoint_*.pkl"):
        # accelerate loads these unrestricted, so a pickle that holds code is refused first.
        try:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except pickle.UnpicklingError as error:
            raise LGVIError(f"{path} holds more than numbers, and is not opened") from error
    accelerator.load_state(str(checkpoint))


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _attempt(accelerator: Accelerator, work: Callable[[], object] | None) -> str | None:
    """Do this process's `work`; returns the first failure of any process, the same in all."""
    reason = None
    try:
        if work is not None:
            work()
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = _why(error)
    reasons: list[str | None] = [reason]
    if accelerator.num_processes > 1:
        reasons = gather_object(reasons)
    return next((text for text in reasons if text), None)


def _why(error: BaseException) -> str:
    """What to tell of a failure to write.

    PyTorch's own error for a full disk speaks of positions in its archive; what the system said is
    behind it, where Python has written the file, and nowhere, where C++ has.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if "inline_container" in str(error) or "PytorchStreamWriter" in str(error):
        return "a file could not be written to its end"
    return f"{type(error).__name__}: {error}"


def _seal(checkpoint: Path) -> None:
    files = {}
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file():
            files[path.relative_to(checkpoint).as_posix()] = [path.stat().st_size, _checksum(path)]
            with path.open("r+b") as file:  # Windows flushes only files opened for writing
                os.fsync(file.fileno())
    with (checkpoint / SEAL).open("w") as file:
        json.dump(files, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint; None if its files are as they were written."""
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
