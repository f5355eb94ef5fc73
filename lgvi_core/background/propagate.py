"""Propagation: each hidden pixel walks along the background's motion until a frame shows it.

What walks is where a pixel's colour lies, a frame's number and a place in it, and never the colour:
so every pixel is sampled once, from its original frame, however long its way was. A walk of many
frames costs one step a frame, because it goes on from where the neighbour's pixels had got to.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .pairs import Way
from .settings import BackgroundSettings
from .store import Place, Size

PER_STEP = 0.05
"""What each frame further away adds to a path's inconsistency, in pixels: near sources win."""
RIM_COST = 1.0
"""What it adds that a source lies close to the removed object, whose halo may reach there."""

FRONT_COST = 4.0
"""What it adds that a source lies at the edge of another thing: it is the last resort."""


class Traces(NamedTuple):
    """Where the background of some pixels is seen.

    `frame` int64 [n] is the number of the frame, -1 where none shows it; `xy` float32 [n, 2] the
    place there in pixels of the flow's size; `cost` float32 [n] how inconsistent the way was.
    """

    frame: Tensor
    xy: Tensor
    cost: Tensor

    def at(self, index: Tensor) -> "Traces":
        """The traces of some of the pixels."""
        return Traces(*(part.index_select(0, index) for part in self))


def no_traces(pixels: int, device: torch.device) -> Traces:
    """Traces of that many pixels which lead nowhere."""
    return Traces(
        torch.full((pixels,), -1, device=device),
        torch.zeros((pixels, 2), device=device),
        torch.zeros(pixels, device=device),
    )


def spread(traces: Traces, index: Tensor, pixels: int) -> Traces:
    """Traces of the pixels `index`, laid out over all pixels of a frame."""
    dense = no_traces(pixels, index.device)
    for whole, part in zip(dense, traces, strict=True):
        whole[index] = part
    return dense


def compact(traces: list[Traces], index: Tensor) -> list[Traces]:
    """Traces of the pixels `index` only; what is the same for several motions stays so."""
    parts = {id(part): part.at(index) for part in traces}
    return [parts[id(part)] for part in traces]


def positions(index: Tensor, size: Size) -> Tensor:
    """The places (x, y) float32 [n, 2] of the pixels with those numbers in a frame of `size`."""
    return torch.stack([index % size[1], index // size[1]], -1).float()


def step(
    index: Tensor,
    way: Way,
    back: Way,
    motion: int,
    number: int,
    neighbour: tuple[int, Place | None, Traces | None],
    settings: BackgroundSettings,
) -> Traces:
    """The traces of the pixels `index` [n] of frame `number`, one step along `way`.

    `back` leads back from the neighbour, which is its number, its place and its own traces for
    every pixel (None where it hides nothing).
    """
    other, place, traces = neighbour
    size: Size = (way.measured.shape[0], way.measured.shape[1])
    start = positions(index, size)
    flow = _pick(way.motions, motion).reshape(-1, 2).index_select(0, index)
    end = start + flow
    limit = end.new_tensor([size[1] - 1, size[0] - 1])
    inside = ((end >= 0) & (end <= limit)).all(-1)
    end = end.clamp(min=end.new_zeros(2), max=limit)
    corners, weights = bilinear(end, size)
    nearest = corners.gather(1, weights.argmax(1, keepdim=True))[:, 0]

    missed = _missed(flow, back.measured, corners, weights)
    lands = inside & (missed <= settings.landing_limit)
    missed = missed + FRONT_COST * _pick(back.foreign, motion).reshape(-1)[nearest]
    if place is None:
        found = torch.where(lands, other, -1)
        return Traces(found, end, missed + PER_STEP)
    lands &= ~place.hidden[nearest]
    cost = missed + PER_STEP + RIM_COST * place.rim[nearest]
    result = Traces(torch.where(lands, other, -1), end, cost)
    if traces is None:
        return result
    further = carried(traces, end, corners, weights, nearest, size)
    slip = _missed(flow, _pick(back.motions, motion), corners, weights)
    goes_on = inside & (slip <= settings.passing_limit) & (further.frame >= 0)
    goes_on &= (further.frame - number).abs() <= settings.reach
    further = Traces(further.frame, further.xy, further.cost + slip + PER_STEP)
    return Traces(*(_where(goes_on, a, b) for a, b in zip(further, result, strict=True)))


def bilinear(xy: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The four pixels around places (x, y) [n, 2] and their weights, both [n, 4]."""
    low = xy.floor()
    part = xy - low
    x = torch.stack([low[:, 0], low[:, 0] + 1], -1).long().clamp(0, size[1] - 1)
    y = torch.stack([low[:, 1], low[:, 1] + 1], -1).long().clamp(0, size[0] - 1)
    wx = torch.stack([1 - part[:, 0], part[:, 0]], -1)
    wy = torch.stack([1 - part[:, 1], part[:, 1]], -1)
    corners = (y[:, :, None] * size[1] + x[:, None]).flatten(1)
    return corners, (wy[:, :, None] * wx[:, None]).flatten(1)


def carried(
    traces: Traces, xy: Tensor, corners: Tensor, weights: Tensor, nearest: Tensor, size: Size
) -> Traces:
    """The traces at places `xy` [n, 2] between pixels: of the nearest one's source frame.

    The neighbours that come from the same frame each say where in it the place lies; the mean of
    what they say bends with zoom and turn and does not mix two frames.
    """
    frame, cost = traces.frame.index_select(0, nearest), traces.cost.index_select(0, nearest)
    total = torch.zeros_like(xy)
    sum_of_weights = torch.zeros_like(cost)
    for corner, weight in zip(corners.unbind(1), weights.unbind(1), strict=True):
        weight = weight * (traces.frame.index_select(0, corner) == frame)
        told = traces.xy.index_select(0, corner) + xy - positions(corner, size)
        total += weight[:, None] * told
        sum_of_weights += weight
    return Traces(frame, total / sum_of_weights.clamp(min=1e-6)[:, None], cost)


def _missed(flow: Tensor, back: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """How far in pixels from its start a path [n] ends that goes there and back."""
    around = back.reshape(-1, 2).index_select(0, corners.flatten()).reshape(-1, 4, 2)
    returned = torch.bmm(weights[:, None], around)[:, 0]
    return (flow + returned).norm(dim=-1)


def _pick(motions: list[Tensor], number: int) -> Tensor:
    return motions[min(number, len(motions) - 1)]


def _where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)
