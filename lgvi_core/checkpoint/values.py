"""Check of a model's weights: numbers that can be computed with."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError

INDICES = ("position_ids", "num_batches_tracked")
"""Ends of the names of tensors that are counts, not weights."""


def check_values(state: Mapping[str, Tensor], origin: str | Path) -> None:
    """Raise CheckpointError that names a tensor with NaN or infinity, or that is no float."""
    for key, value in state.items():
        if key.endswith(INDICES):
            continue
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise CheckpointError(f"{origin}: the weights {key} are {kind}, not floating-point")
        # There is no minimum of numbers of one byte.
        wide = value.float() if value.element_size() < 2 else value
        if value.numel() and not all(map(torch.isfinite, torch.aminmax(wide))):
            raise CheckpointError(
                f"{origin}: the weights {key} hold NaN or infinity: the file is damaged, or its "
                "training went wrong. Get it again."
            )
