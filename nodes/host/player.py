"""Frames as one short video that a node shows in the page."""

from __future__ import annotations

import uuid
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_SIDE = 1280


def player(frames: Tensor, fps: float) -> dict[str, Any]:
    """Write `frames` [f, h, w, 3], 0 to 1, into ComfyUI's temporary folder as an H.264 video.

    The video is at most 1280 pixels long and wide, and its sides are even: it is for looking at.
    Returns what the page needs to show it on the node as a player.
    """
    from comfy_api.v0_0_2 import InputImpl, Types

    name = f"lgvi_{uuid.uuid4().hex}.mp4"
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    rate = Fraction(fps).limit_denominator(1001)
    components = Types.VideoComponents(images=_small_and_even(frames), frame_rate=rate)
    InputImpl.VideoFromComponents(components).save_to(str(folder / name))
    shown = {"filename": name, "subfolder": "", "type": "temp"}
    return {"images": [shown], "animated": (True,)}


def _small_and_even(frames: Tensor) -> Tensor:
    """Return the frames scaled down to at most 1280 pixels, with even sides of at least 2."""
    import torch
    from torch.nn.functional import interpolate

    height, width = frames.shape[1:3]
    scale = min(1.0, _LONGEST_SIDE / max(height, width))
    size = tuple(max(2, round(side * scale / 2) * 2) for side in (height, width))
    if size == (height, width):
        return frames
    parts = [  # one by one: a whole clip of large frames would be copied in memory
        interpolate(frame[None].movedim(-1, 1), size, mode="area").movedim(1, -1)
        for frame in frames
    ]
    return torch.cat(parts)
