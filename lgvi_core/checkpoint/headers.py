"""Headers of safetensors files: how many tensors of which shapes, before any of them is read."""

import json
import struct
from pathlib import Path

from ..errors import CheckpointError
from .regular import check_regular

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_TENSORS = 20_000
"""Most tensors of one file; a model of 7 billion weights has some 700."""
METADATA = "__metadata__"


def check_header(path: Path) -> None:
    """Raise CheckpointError where a safetensors file's header is longer than any real model's.

    Whether it fits the rest of the file is left to the library that reads it. Raises OSError where
    the file cannot be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            return
        size = struct.unpack("<Q", prefix)[0]
        if size > path.stat().st_size:
            return
        if size > MAX_HEADER_BYTES:
            raise CheckpointError(
                f"{path}: a header of {size // 1024**2} MiB, at most "
                f"{MAX_HEADER_BYTES // 1024**2} are read: no model has so many tensors"
            )
        text = file.read(size)
    try:
        count = len(json.loads(text).keys() - {METADATA})
    except (ValueError, RecursionError, AttributeError):
        return
    if count > MAX_TENSORS:
        raise CheckpointError(
            f"{path}: {count} tensors, at most {MAX_TENSORS} are read: no model has so many"
        )
