"""Atomic writing of files, and reading of weights and JSON without executing what is in them."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CheckpointError
from .headers import check_header
from .pickles import read_pickle
from .regular import check_regular

TENSOR_FILES = (".safetensors", ".bin", ".pt", ".pth")
FOLDER_SUFFIXES = TENSOR_FILES[:2]
"""Suffixes of weights in a diffusers folder, the preferred one first."""
MAX_JSON_BYTES = 16 * 1024 * 1024
PARTIAL_SUFFIX = ".partial"
"""Suffix of a file that is being written, or was when the process was killed."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and move it to `path` if the block raises nothing.

    The folder is created. Several processes may write the same file; the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def parse_json(text: str, origin: str) -> Any:
    """Parse JSON; raises CheckpointError that names `origin` where `text` is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{origin}: not valid JSON ({error})") from error


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of at most `limit` bytes.

    Raises CheckpointError where it is missing, invalid, too large, or no regular file: a pipe
    would be waited for, and a device read without end.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise CheckpointError(
                f"{path}: larger than any such file of a model ({limit // 1024**2} MiB)"
            )
        text = data.decode("utf-8")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: file is missing") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    return parse_json(text, str(path))


def read_metadata(path: Path) -> dict[str, str]:
    """Read the string metadata in the header of a `.safetensors` file."""
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(_broken(path, error)) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors, by name, of a `.safetensors` file or of a pickle that holds only tensors.

    They are mapped from the file, except from a pickle of PyTorch before 1.6: do not write to it
    while they are in use.

    Raises CheckpointError that names the file where it is missing, truncated or foreign, or where
    a pickle holds anything but tensors (it is read with `weights_only=True`).
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: file is missing")
    if path.suffix == ".safetensors":
        try:
            check_header(path)
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CheckpointError(_broken(path, error)) from error
    if path.suffix not in TENSOR_FILES:
        raise CheckpointError(
            f"{path}: LGVI reads {', '.join(TENSOR_FILES)}, not {path.suffix or 'this'}"
        )
    state = read_pickle(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise CheckpointError(f"{path}: does not hold a table of tensors by name")
    return state


def find_tensor_file(folder: Path, stems: Sequence[str]) -> Path:
    """Find the weights file in `folder` that is called one of `stems`.

    Safetensors are preferred to pickles, full precision to fp16. Raises CheckpointError where
    there is none.
    """
    names = [
        f"{stem}{variant}{suffix}"
        for suffix in FOLDER_SUFFIXES
        for stem in stems
        for variant in ("", ".fp16")
    ]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if any((folder / f"{stem}.safetensors.index.json").is_file() for stem in stems):
        raise CheckpointError(
            f"{folder}: weights are split into several files; save them as one {names[0]}"
        )
    raise CheckpointError(f"{folder}: no weights here (looked for {', '.join(names)})")


def _broken(path: Path, error: Exception) -> str:
    return f"{path}: truncated, damaged, or not a {path.suffix} file ({error}). Get it again."
