"""Painted masks carried to all frames of a clip in memory."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...lgvi_core.background.carry import SmallClip
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.masks import check_mask
from .cancel import stop_if_cancelled

FLOW_SIDE = 640
"""Longer side in pixels at which the motion is measured, at most."""


def gather(frames: Tensor, painted: Mapping[str, Any], most: int) -> dict[int, np.ndarray]:
    """Return the painted masks bool [h, w] by the number of their frame.

    `painted` holds mask_1, frame_1 and so on, up to `most`. Raises LGVIError for masks that do not
    fit the `frames` [f, h, w, 3], for numbers beyond them or given twice, and where nothing is
    painted.
    """
    given: dict[int, np.ndarray] = {}
    for which in range(1, most + 1):
        mask, number = painted.get(f"mask_{which}"), painted.get(f"frame_{which}", 0)
        if mask is None:
            continue
        check_mask(mask, 1, {(frames.shape[1], frames.shape[2])})
        if number >= len(frames):
            raise LGVIError(
                f"frame_{which} is {number}, but the clip's last frame has the number "
                f"{len(frames) - 1}"
            )
        if number in given:
            raise LGVIError(
                f"frame_{which} is {number}, which another mask was painted on already: give each "
                "mask the number of its own frame"
            )
        given[number] = (mask[0] >= 0.5).cpu().numpy()
    if not any(mask.any() for mask in given.values()):
        raise LGVIError(
            "nothing is painted: open the mask editor of the Load Image node, paint over the "
            "object, and save"
        )
    return given


def carried(frames: Tensor, given: Mapping[int, np.ndarray]) -> tuple[Tensor, np.ndarray]:
    """Carry masks bool [h, w] to all `frames` [f, h, w, 3], 0 to 1.

    Returns masks [f, h, w], 0 to 1, and how far each is to be trusted [f], 0 to 1.
    """
    found = SmallClip(_pictures(frames), FLOW_SIDE).carry(given)
    return torch.from_numpy(found.masks), found.agreement


def _pictures(frames: Tensor) -> Iterator[np.ndarray]:
    """Yield frames as uint8 [h, w, 3], until the person cancels."""
    for frame in frames:
        stop_if_cancelled()
        yield (frame.cpu().float().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
