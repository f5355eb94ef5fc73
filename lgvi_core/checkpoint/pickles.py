"""Reading of foreign pickles: only tensors, and no more of them than the file has bytes."""

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .headers import MAX_TENSORS
from .regular import check_regular


def read_pickle(path: Path) -> Any:
    """Read what a pickle holds: tables of tensors, with `weights_only=True`.

    Raises CheckpointError that names the file where it is missing, damaged, holds anything that
    could run code, or would take more memory than the file is long.
    """
    try:
        check_regular(path)
        _check_not_packed(path)
        # Mapped where the format allows it, so that a tensor takes memory once it is used.
        mapped = zipfile.is_zipfile(path) or None
        found: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: file is missing") from error
    except UnpicklingError as error:
        # The error's own text advises to switch the protection off.
        raise CheckpointError(
            f"{path}: refused: this pickle holds more than tensors, or is damaged. "
            "Ask its author for a .safetensors file."
        ) from error
    except Exception as error:
        # A damaged pickle raises more kinds of errors than can be listed.
        raise CheckpointError(
            f"{path}: truncated, damaged, or not a {path.suffix} file ({error}). Get it again."
        ) from error
    _check_tensors(path, found)
    return found


def _check_not_packed(path: Path) -> None:
    """Refuse an archive that unpacks to more than its own size; torch packs nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = path.stat().st_size
    if unpacked > size:
        raise CheckpointError(
            f"{path}: refused: its {size} bytes unpack to {unpacked}, which no model's weights do"
        )


def _check_tensors(path: Path, found: Any) -> None:
    """Refuse tensors that are not stored in full, and too many of them, in tables at any depth."""
    waiting = [found]
    if isinstance(found, dict) and len(found) > MAX_TENSORS:
        raise CheckpointError(
            f"{path}: {len(found)} tensors, at most {MAX_TENSORS} are read: no model has so many"
        )
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, Tensor) and not _is_plain(part):
            raise CheckpointError(
                f"{path}: refused: holds a tensor of shape {list(part.shape)} that is not stored "
                "in full. Ask its author for a .safetensors file."
            )


def _is_plain(tensor: Tensor) -> bool:
    """Whether every value of a tensor is stored."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
