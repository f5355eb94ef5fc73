"""Frames as one short video that a node shows in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_SIDE = 1280
_CRF = 23  # H.264's usual quality


def player(frames: Tensor, fps: float) -> dict[str, Any]:
    """Write `frames` [f, h, w, 3], 0 to 1, into ComfyUI's temporary folder as an H.264 video.

    The video is at most 1280 pixels long and wide, and its sides are even: it is for looking at.
    Returns what the page needs to show it on the node as a player; the file lives as long as that.
    """
    from ...lgvi_core.video.encode import write_frames
    from ...lgvi_core.video.output import frame_rate
    from .cancel import stop_if_cancelled
    from .video_files import SUBFOLDER, KeptPath, new_file

    rate = frame_rate(fps)
    path = new_file()
    small = _small_and_even(frames)
    write_frames(path, small, rate, crf=_CRF, preset="veryfast", watch=stop_if_cancelled)
    # ComfyUI keeps what a node shows as long as it is in its cache or in its history.
    shown = {"filename": KeptPath.of(path, path.name), "subfolder": SUBFOLDER, "type": "temp"}
    return {"images": [shown], "animated": (True,)}


def _small_and_even(frames: Tensor) -> Tensor:
    """Return the frames scaled down to at most 1280 pixels, with even sides of at least 2."""
    import torch
    from torch.nn.functional import interpolate

    from .cancel import stop_if_cancelled

    height, width = frames.shape[1:3]
    scale = min(1.0, _LONGEST_SIDE / max(height, width))
    size = tuple(max(2, round(side * scale / 2) * 2) for side in (height, width))
    if size == (height, width):
        return frames
    parts = []
    for frame in frames:  # one by one: a whole clip of large frames would be copied in memory
        stop_if_cancelled()
        parts.append(interpolate(frame[None].movedim(-1, 1), size, mode="area").movedim(1, -1))
    return torch.cat(parts)
