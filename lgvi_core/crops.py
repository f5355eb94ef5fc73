"""Crops that follow an object through a clip, so that a small one is worked on in full detail.

All crops of a clip have one size and the frames' shape; each frame has its own place for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Size
from .errors import LGVIError

MARGIN = 1.0
"""Surroundings on each side, in sizes of the object: a third of the crop's length is the object."""
WHOLE = 0.75
"""Share of the frame's sides from which on a crop is not worth it: the whole frame is taken."""
SMOOTH = 9
"""Frames over which a crop's path is smoothed, so that it does not tremble with the mask."""


class Box(NamedTuple):
    """Edges of an upright rectangle in pixels; the lower and the right one are beyond it."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True)
class Crops:
    """Where each frame of a clip is cut. All in pixels of the source."""

    source: Size
    """(height, width) of the source frames."""
    size: Size
    """(height, width) of the crops."""
    corners: tuple[tuple[int, int], ...]
    """(top, left) of the crop of each frame."""

    @property
    def is_whole(self) -> bool:
        """Whether the crops are the whole frames."""
        return self.size == self.source

    def slices(self, number: int) -> tuple[slice, slice]:
        """Return the rows and columns of the crop of frame `number`."""
        top, left = self.corners[number]
        return slice(top, top + self.size[0]), slice(left, left + self.size[1])

    def check(self, frames: Tensor) -> None:
        """Raise LGVIError where `frames` [f, h, w, c] are not of the clip of these crops."""
        if len(frames) != len(self.corners) or tuple(frames.shape[1:3]) != self.source:
            raise LGVIError(
                f"these crops are of {len(self.corners)} frames of {self.source[1]} x "
                f"{self.source[0]} pixels, got {len(frames)} of {frames.shape[2]} x "
                f"{frames.shape[1]}: connect the clip that was cropped"
            )

    def describe(self) -> str:
        """Describe the crops in one phrase."""
        if self.is_whole:
            return "the object is large: whole frames"
        return (
            f"{self.size[1]} x {self.size[0]} of {self.source[1]} x {self.source[0]}, following "
            "the object"
        )

    def cut(self, frames: Tensor) -> Tensor:
        """Cut `frames` [f, h, w, c] to [f, *size, c]; raises LGVIError for others than these."""
        self.check(frames)
        if self.is_whole:
            return frames
        return torch.stack([frame[self.slices(number)] for number, frame in enumerate(frames)])

    def put(self, parts: Tensor, onto: Tensor) -> Tensor:
        """Lay `parts` [f, *size, ...] over a copy of `onto` [f, h, w, ...]."""
        out = onto.clone()
        for number, part in enumerate(parts):
            out[number][self.slices(number)] = part.to(out)
        return out


def follow(boxes: Mapping[int, Box], frames: int, source: Size, margin: float = MARGIN) -> Crops:
    """Find crops of `frames` frames of `source` size that keep an object and its surroundings.

    `boxes` are where the object is, in pixels of the source, by the number of the frame; the frames
    between them are cut between those places. `margin` are the surroundings on each side, in sizes
    of the object where it is largest. Raises LGVIError where there is no box, and for a negative
    margin.
    """
    if not margin >= 0:
        raise LGVIError(f"margin must be 0 or more sizes of the object, got {margin}")
    known = sorted(boxes)
    if not known:
        raise LGVIError(
            "the mask is empty in all frames, so there is nothing to crop around: look for the "
            "object with other words, or paint it"
        )
    edges = torch.tensor([boxes[number] for number in known], dtype=torch.float32)
    extent = (edges[:, 2:] - edges[:, :2]).amax(dim=0)
    share = float((extent * (1 + 2 * margin) / torch.tensor(source)).amax())
    if share >= WHOLE:
        return Crops(source, source, ((0, 0),) * frames)
    size = max(1, round(source[0] * share)), max(1, round(source[1] * share))
    return Crops(source, size, _path(edges, known, frames, source, size))


def boxes_of(mask: Tensor, source: Size | None = None) -> dict[int, Box]:
    """Return the boxes around what `mask` [f, h, w] marks, by the number of the frame.

    They are in pixels of frames of `source` size, by default the mask's own. A frame in which no
    value reaches one half has none.
    """
    down, across = (1.0, 1.0)
    if source is not None:
        down, across = source[0] / mask.shape[1], source[1] / mask.shape[2]
    boxes = {}
    for number, frame in enumerate(mask):
        rows, columns = ((frame >= 0.5).any(dim=dim).nonzero()[:, 0] for dim in (1, 0))
        if len(rows):
            top, bottom = int(rows[0]) * down, int(rows[-1] + 1) * down
            left, right = int(columns[0]) * across, int(columns[-1] + 1) * across
            boxes[number] = Box(top, left, bottom, right)
    return boxes


def _path(
    edges: Tensor, known: Sequence[int], frames: int, source: Size, size: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return the corners of crops of `size` that hold the boxes `edges` [n, 4] of `known` frames.

    The path between them is smooth, but a box is never left.
    """
    whole = _interpolated(edges, known, frames)
    centre = (whole[:, :2] + whole[:, 2:]) / 2
    padded = F.avg_pool1d(
        centre.T[None], SMOOTH, stride=1, padding=SMOOTH // 2, count_include_pad=False
    )
    corner = padded[0].T - torch.tensor(size) / 2
    # A crop that holds its frame's box lies between these; rounding outwards keeps it.
    lowest, highest = whole[:, 2:].ceil() - torch.tensor(size), whole[:, :2].floor()
    corner = corner.maximum(lowest).minimum(highest)
    room = torch.tensor([source[0] - size[0], source[1] - size[1]])
    corner = corner.round().clamp(min=torch.zeros(2)).minimum(room.float())
    return tuple((int(top), int(left)) for top, left in corner.tolist())


def _interpolated(edges: Tensor, known: Sequence[int], frames: int) -> Tensor:
    """Return edges [frames, 4] from those of the `known` frames; the ends go on as they are."""
    numbers = torch.arange(frames).float()
    at = torch.tensor(known).float()
    after = torch.searchsorted(at, numbers).clamp(max=len(at) - 1)
    before = (after - 1).clamp(min=0)
    span = (at[after] - at[before]).clamp(min=1)
    part = ((numbers - at[before]) / span).clamp(0, 1)[:, None]
    part = torch.where((after == before)[:, None], torch.zeros_like(part), part)
    return torch.lerp(edges[before], edges[after], part)
