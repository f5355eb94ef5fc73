"""Writing files completely or not at all: under a temporary name first, then renamed."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from lgvi_core.checkpoint.files import atomic_write


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 (complete or not at all)."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object, indent: int = 2) -> None:
    """Write a JSON file that ends with a newline."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file; its metadata also marks the tensors as PyTorch's."""
    with atomic_write(path) as partial:
        save_file(dict(tensors), partial, {"format": "pt", **metadata})
