"""Fusion: what was found in the past and in the future, and by one motion or the other, joined."""

from typing import NamedTuple

import torch
from torch import Tensor

from .propagate import Traces, bilinear, carried
from .store import FrameRing, Size

SOFTNESS = 0.3
"""Pixels added to a path's inconsistency, so that a perfect path does not count without bound."""
LIKELIER = 2.0
"""How much better the unlikelier motion's paths must be for a pixel to take it."""
NEGLIGIBLE = 0.03
"""The share below which a source is not worth the time to sample it."""


class Found(NamedTuple):
    """A source for some pixels and the share [n], from 0 to 1, that it has in their colour."""

    traces: Traces
    share: Tensor


def fuse(
    past: list[Traces], future: list[Traces], second: Tensor | None, ring: FrameRing, size: Size
) -> list[Found]:
    """Two sources, earlier and later, of the same pixels; shares add up to 1 or, unseen, to 0.

    `past` and `future` hold traces for every motion, in the same order. A pixel keeps to one motion
    in both directions of time: to the better one, but rather to the second where `second` [n] says
    that it is likelier, and else to the first.
    """
    weights = [_weights(side, ring, size) for side in (past, future)]
    chosen = [past[0], future[0]]
    strength = [weights[0][0], weights[1][0]]
    if len(past) > 1 and not (past[0] is past[1] and future[0] is future[1]):
        sums = [one + other for one, other in zip(*weights, strict=True)]
        bias = torch.full_like(sums[0], 1 / LIKELIER)
        if second is not None:
            bias[second] = LIKELIER
        better = sums[1] * bias > sums[0]
        for side, candidates in enumerate((past, future)):
            strength[side] = torch.where(better, weights[side][1], strength[side])
            chosen[side] = _merged(better, candidates[1], chosen[side])
    total = (strength[0] + strength[1]).clamp(min=1e-12)
    shares = [part / total for part in strength]
    small = [share < NEGLIGIBLE for share in shares]
    shares = [
        torch.where(
            small[side], 0.0, torch.where(small[1 - side], (shares[side] > 0).float(), share)
        )
        for side, share in enumerate(shares)
    ]
    return [Found(traces, share) for traces, share in zip(chosen, shares, strict=True)]


def between(found: Found, xy: Tensor, size: Size) -> Found:
    """What was found, for all pixels of a small frame, at places `xy` [n, 2] between them."""
    limit = xy.new_tensor([size[1] - 1, size[0] - 1])
    xy = xy.clamp(min=xy.new_zeros(2), max=limit)
    corners, weights = bilinear(xy, size)
    nearest = corners.gather(1, weights.argmax(1, keepdim=True))[:, 0]
    traces = carried(found.traces, xy, corners, weights, nearest, size)
    return Found(traces, found.share[nearest])


def _weights(side: list[Traces], ring: FrameRing, size: Size) -> list[Tensor]:
    weights = {id(traces): _weight(traces, ring, size) for traces in side}
    return [weights[id(traces)] for traces in side]


def _weight(traces: Traces, ring: FrameRing, size: Size) -> Tensor:
    """How much a source counts [n]; 0 where there is none, or where it turns out to be hidden."""
    xy = traces.xy.round().long()
    column, row = xy[:, 0].clamp(0, size[1] - 1), xy[:, 1].clamp(0, size[0] - 1)
    visible = ring.shown[ring.slot(traces.frame), row * size[1] + column]
    return (visible & (traces.frame >= 0)) / (SOFTNESS + traces.cost).square()


def _merged(choice: Tensor, one: Traces, other: Traces) -> Traces:
    return Traces(
        torch.where(choice, one.frame, other.frame),
        torch.where(choice[:, None], one.xy, other.xy),
        torch.where(choice, one.cost, other.cost),
    )
