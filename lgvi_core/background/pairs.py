"""Two neighbouring frames: how the background moves from each to the other, and its brightness."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .areas import around
from .complete import (
    UNSHARP,
    Measured,
    Motion,
    completed,
    grid,
    in_order,
    push_pull,
    squared_length,
)
from .cuts import is_cut, thumbnail
from .flow import FlowFunction, dis
from .settings import BackgroundSettings

MARGIN = 48
"""Pixels of the surroundings, each way, that the motion behind a hole is learned from."""
GUARD = 1
"""Pixels around a hole that may still show something of the object."""
SPOILED = 8
"""Pixels around a hole whose flow is spoiled by the object's own motion, while it is there."""
CLOSE = dis()
"""The flow that is measured close to a hole, with the object taken out."""
CLOSE_TRUST = 0.1
"""How much that counts against what is measured further away."""
FOREIGN = 2.0
"""Pixels that something must move otherwise than the background to be taken for another thing."""


@dataclass(frozen=True)
class Glance:
    """A frame at the flow's size: uint8 RGB [h, w, 3], and where something is removed [h, w]."""

    pixels: np.ndarray
    hole: np.ndarray

    def thumbnail(self) -> tuple[np.ndarray, np.ndarray]:
        """What cuts are looked for in."""
        return thumbnail(self.pixels, self.hole)


@dataclass(frozen=True)
class Way:
    """How the background moves from one frame to its neighbour, at the flow's size.

    `motions` are one or two float32 flows [h, w, 2]; `measured` [h, w, 2] is the flow as
    it was measured; `foreign`, one for each motion, are the pixels [h, w] that move otherwise
    themselves, as what stands in front. `second` [h, w] is where the second of two motions is
    likelier than the first; None where there is one.
    """

    motions: list[Tensor]
    measured: Tensor
    foreign: list[Tensor]
    second: Tensor | None

    def likely(self) -> Tensor:
        """The flow [h, w, 2] that gives each pixel the likelier motion."""
        if self.second is None:
            return self.motions[0]
        return torch.where(self.second[..., None], self.motions[1], self.motions[0])

    def front(self) -> Tensor:
        """What moves as none of the motions, bool [h, w]."""
        return self.foreign[0] & self.foreign[-1]


@dataclass(frozen=True)
class Pair:
    """The ways from a frame to the next one and back; None across a cut.

    `gain` [3] is how much brighter the next frame shows the same thing, for each channel.
    """

    forward: Way
    backward: Way
    gain: Tensor


def pair_of(
    one: Glance, other: Glance, settings: BackgroundSettings, device: torch.device
) -> Pair | None:
    """What leads from `one` to `other` and back; None where there is a cut between them."""
    if is_cut(one.thumbnail(), other.thumbnail()):
        return None
    rows, columns = around(one.hole | other.hole, MARGIN + settings.rim)
    pictures = [np.ascontiguousarray(glance.pixels[rows, columns]) for glance in (one, other)]
    holes = [_grown(glance.hole[rows, columns], GUARD) for glance in (one, other)]
    measured = _flows(pictures, holes, settings.flow)
    gain = brightness(pictures[0], pictures[1], measured[0])
    size, place = one.hole.shape, (rows, columns)
    motions = [completed(part, settings.motions) for part in measured]
    motions[1] = in_order(motions[0], motions[1])
    both = zip(measured, motions, strict=True)
    ways = [_way(part, several, size, place, device) for part, several in both]
    return Pair(ways[0], ways[1], torch.from_numpy(gain).to(device))


def _way(
    measured: Measured,
    motions: list[Motion],
    size: tuple[int, ...],
    place: tuple[slice, slice],
    device: torch.device,
) -> Way:
    def whole(part: np.ndarray) -> Tensor:
        """A part of the frame in its place, nothing around it."""
        full = np.zeros((*size, *part.shape[2:]), part.dtype)
        full[place] = part
        return torch.from_numpy(full).to(device)

    foreign = [_foreign(motion.flow, measured.flow) for motion in motions]
    flows = [whole(motion.flow) for motion in motions]
    second = whole(motions[1].own) if len(motions) > 1 else None
    return Way(flows, whole(measured.flow), [whole(x) for x in foreign], second)


def _foreign(field: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """What moves otherwise than the background, and around it what may be either, bool [h, w]."""
    far = (squared_length(field - flow) > FOREIGN**2).astype(np.uint8)
    moves = cv2.morphologyEx(far, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _grown(moves, UNSHARP)


def brightness(one: np.ndarray, other: np.ndarray, measured: Measured) -> np.ndarray:
    """How much brighter `other` [h, w, 3] is than `one` [3], where both show the same.

    A ratio of sums, because a fitted slope is too small where there is noise, and the error would
    add up over the frames.
    """
    y, x = np.nonzero(measured.trust == 1)
    step = max(1, len(x) // 4000)
    y, x = y[::step], x[::step]
    ends = np.stack([x, y], -1).astype(np.float32) + measured.flow[y, x]
    if len(x) < 50:
        return np.ones(3, np.float32)
    here = one[y, x].astype(np.float32)
    there = cv2.remap(other, ends[None], None, cv2.INTER_LINEAR)[0].astype(np.float32)  # type: ignore[call-overload]
    usable = ((here > 8) & (here < 247) & (there > 8) & (there < 247)).all(-1)
    difference = np.abs(np.log(there + 1) - np.log(here + 1)).sum(-1)
    usable &= difference <= np.median(difference) * 2 + 1e-3
    if usable.sum() < 50:
        return np.ones(3, np.float32)
    return np.clip(there[usable].sum(0) / here[usable].sum(0), 0.5, 2).astype(np.float32)


def _flows(
    pictures: list[np.ndarray], holes: list[np.ndarray], flow: FlowFunction
) -> list[Measured]:
    """The flow from each of two pictures to the other, with what spoils it around the object.

    Close to a hole it is measured again, roughly, with the object taken out of the pictures; it
    counts little there, because the pictures are then made by the flow that they shall tell.
    """
    wide = [_grown(hole, SPOILED) for hole in holes]
    flows = [flow(pictures[0], pictures[1]), flow(pictures[1], pictures[0])]
    trusts = [_known(flows[i], flows[1 - i], wide[i], wide[1 - i]) for i in (0, 1)]
    far = [Measured(flows[i], trusts[i].astype(np.float32)) for i in (0, 1)]
    without = without_object(pictures, holes, [completed(part, 1)[0].flow for part in far])
    close = [_close_flow(without[i], without[1 - i], wide[0] | wide[1]) for i in (0, 1)]
    both = []
    for i in (0, 1):
        spoiled = wide[i] | (_moved(wide[1 - i].astype(np.float32), flows[i]) > 0)
        near = spoiled & _known(close[i], close[1 - i], holes[i], holes[1 - i])
        trust = np.where(near, CLOSE_TRUST, trusts[i]).astype(np.float32)
        both.append(Measured(np.where(spoiled[..., None], close[i], flows[i]), trust))
    return both


def _close_flow(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The flow [h, w, 2] between two pictures around `where` [h, w], and 0 further away."""
    rows, columns = around(where, 2 * SPOILED)
    flow = np.zeros((*where.shape, 2), np.float32)
    parts = [np.ascontiguousarray(picture[rows, columns]) for picture in (one, other)]
    flow[rows, columns] = CLOSE(parts[0], parts[1])
    return flow


def without_object(
    pictures: list[np.ndarray], holes: list[np.ndarray], ways: list[np.ndarray]
) -> list[np.ndarray]:
    """Two pictures [h, w, 3] whose holes show what the other one does, along rough flows.

    The object is gone and cannot spoil the flow of what is around it. What is hidden in both is
    filled smoothly in the first, and moved from there to the second, so that it moves with the
    background too.
    """
    first, second = pictures
    shown = (~holes[0]).astype(np.float32)
    smooth = np.where(holes[0][..., None], push_pull(first, shown), first)
    hidden = _moved(holes[1].astype(np.float32), ways[0])[..., None] > 0
    first = np.where(holes[0][..., None] & ~hidden, _moved(second, ways[0]), smooth)
    first = first.clip(0, 255).astype(np.uint8)
    second = np.where(holes[1][..., None], _moved(first, ways[1]), second)
    return [first, second.astype(np.uint8)]


def _moved(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A picture sampled at where a flow leads to."""
    x, y = grid(flow.shape[:2])
    x, y = x + flow[..., 0], y + flow[..., 1]
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _known(flow: np.ndarray, back: np.ndarray, hole: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where a flow is trusted: outside the holes at both ends, and leading back to its start."""
    height, width = hole.shape
    x, y = grid(hole.shape)
    x, y = x + flow[..., 0], y + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    hidden = _moved(other.astype(np.float32), flow) > 0
    returns = squared_length(flow + _moved(back, flow)) < 1
    return inside & ~hole & ~hidden & returns


def _grown(hole: np.ndarray, radius: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(hole.astype(np.uint8), kernel) > 0
