"""Masks carried along optical flow, without any weights, and drawn to edges in the picture.

Each frame is walked to from the nearest given masks before and after it, one frame at a time; the
two are mixed by their distances. After each step the rim of the mask is decided anew by the colours
just inside and just outside of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from .flow import FlowFunction, dis

BAND = 4
"""Pixels on each side of the mask's edge where the colours decide."""
NEAR = 5.0
"""Deviation in pixels of the window whose colours count for a pixel of the rim."""
CONSISTENT = 1.5
"""Pixels that the way there and back may miss its start by."""
SOFT = 20.0
"""Of 255: how far colours must be apart for the picture to decide alone."""


@dataclass(frozen=True)
class Carried:
    """Masks of one object on all frames, from 0 to 1, float32 [f, h, w].

    `agreement` [f] is the share of each frame's mask that came here by a way that leads back.
    """

    masks: np.ndarray
    agreement: np.ndarray


@dataclass(frozen=True)
class Flows:
    """The flows of a clip: `forward[i]` leads from frame i to i + 1, `backward[i]` back."""

    forward: list[np.ndarray]
    backward: list[np.ndarray]


class SmallClip:
    """A clip at the size at which its motion is measured, for masks at its own size."""

    def __init__(self, frames: Iterable[np.ndarray], side: int) -> None:
        """`frames` are uint8 RGB [h, w, 3]; the longer side becomes `side` pixels at most."""
        self.frames: list[np.ndarray] = []
        for frame in frames:
            height, width = frame.shape[:2]
            scale = min(1.0, side / max(height, width))
            self.size = (height, width)
            self.small = (max(16, round(height * scale)), max(16, round(width * scale)))
            self.frames.append(_resized(frame, self.small, cv2.INTER_AREA))
        self.flows = flows_of(self.frames)

    def carry(self, given: Mapping[int, np.ndarray], refine: bool = True) -> Carried:
        """Carry the `given` masks bool [h, w] to all frames; they stay as they are themselves."""
        carried = carry(self.frames, self._shrunk(given), self.flows, refine)
        masks = np.stack([_resized(mask, self.size) for mask in carried.masks])
        for number, mask in given.items():
            masks[number] = mask
        return Carried(masks, carried.agreement)

    def meets_next(self, given: Mapping[int, np.ndarray], refine: bool = True) -> float:
        """How well the masks carried from each given one meet the next; see `meets_next`."""
        return meets_next(self.frames, self._shrunk(given), self.flows, refine)

    def _shrunk(self, given: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        return {
            number: _resized(mask.astype(np.float32), self.small) > 0.5
            for number, mask in given.items()
        }


def flows_of(frames: Sequence[np.ndarray], flow: FlowFunction | None = None) -> Flows:
    """Measure the flow between neighbouring frames uint8 RGB [h, w, 3], both ways."""
    measure = flow or dis()
    pairs = list(pairwise(frames))
    return Flows([measure(a, b) for a, b in pairs], [measure(b, a) for a, b in pairs])


def carry(
    frames: Sequence[np.ndarray], given: dict[int, np.ndarray], flows: Flows, refine: bool = True
) -> Carried:
    """Carry the `given` masks bool [h, w] of one object, by frame, to all frames."""
    count, size = len(frames), frames[0].shape[:2]
    masks = np.zeros((count, *size), np.float32)
    weight = np.zeros(count, np.float32)
    agreement = np.ones(count, np.float32)
    for start in sorted(given):
        masks[start], weight[start] = given[start], np.inf
    order = sorted(given)
    for step in (1, -1):
        for start in order:
            nearest = [other for other in order if (other - start) * step > 0]
            end = min(nearest, key=lambda n: abs(n - start)) if nearest else None
            _walk(frames, flows, start, end, step, masks, weight, agreement, refine)
    return Carried(masks, agreement)


def meets_next(
    frames: Sequence[np.ndarray], given: dict[int, np.ndarray], flows: Flows, refine: bool
) -> float:
    """How well the masks carried from each given one meet the next: the least overlap, 0 to 1.

    Overlap is intersection over union; 1 where there is only one given mask.
    """
    worst = 1.0
    order = sorted(given)
    for first, last in pairwise(order):
        carried = carry(
            frames[first : last + 1], {0: given[first]}, _part(flows, first, last), refine
        )
        worst = min(worst, overlap(carried.masks[-1] > 0.5, given[last]))
    return worst


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = (one | other).sum()
    return 1.0 if union == 0 else float((one & other).sum() / union)


def _part(flows: Flows, first: int, last: int) -> Flows:
    return Flows(flows.forward[first:last], flows.backward[first:last])


def _walk(
    frames: Sequence[np.ndarray],
    flows: Flows,
    start: int,
    end: int | None,
    step: int,
    masks: np.ndarray,
    weight: np.ndarray,
    agreement: np.ndarray,
    refine: bool,
) -> None:
    """Carry the mask of frame `start` on to before frame `end`, mixing it with what is there."""
    mask = masks[start].copy()
    stop = end if end is not None else (len(frames) if step > 0 else -1)
    trust = 1.0
    for number in range(start + step, stop, step):
        between = number - 1 if step > 0 else number
        there, back = flows.forward[between], flows.backward[between]
        to_last = back if step > 0 else there
        from_last = there if step > 0 else back
        mask, agreed = _step(mask, to_last, from_last)
        if refine:
            mask = to_edges(frames[number], mask)
        trust = min(trust, agreed)
        mine = 1.0 / abs(number - start)
        total = weight[number] + mine
        masks[number] = (masks[number] * weight[number] + mask * mine) / total
        agreement[number] = max(agreement[number], trust) if weight[number] else trust
        weight[number] = total


def _step(mask: np.ndarray, to_last: np.ndarray, from_last: np.ndarray) -> tuple[np.ndarray, float]:
    """The mask one frame on, and the share of it that came by a way that leads back."""
    height, width = mask.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + to_last[..., 0], y + to_last[..., 1]
    moved = cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    returned = to_last + cv2.remap(
        from_last, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    leads_back = np.square(returned).sum(-1) < CONSISTENT**2
    inside = moved > 0.5
    agreed = float(leads_back[inside].mean()) if inside.any() else 1.0
    return moved, agreed


def to_edges(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Decide the rim of a mask float32 [h, w] by the colours on both sides of it.

    A pixel near the edge goes to the side whose local mean colour is nearer to its own, as far as
    the two sides differ there.
    """
    hard = (mask > 0.5).astype(np.uint8)
    if not hard.any() or hard.all():
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
    inner, outer = cv2.erode(hard, kernel), cv2.dilate(hard, kernel)
    rows, columns = _box(outer, int(3 * NEAR))
    colours = frame[rows, columns].astype(np.float32)
    sure = inner[rows, columns].astype(np.float32), 1 - outer[rows, columns].astype(np.float32)
    band = (outer - inner)[rows, columns] > 0
    means, known = zip(*(_local_mean(colours, part) for part in sure), strict=True)
    distances = [np.sqrt(np.square(colours - mean).sum(-1)) for mean in means]
    apart = np.sqrt(np.square(means[0] - means[1]).sum(-1))
    likely = distances[1] / np.maximum(distances[0] + distances[1], 1e-3)
    say = apart / (apart + SOFT) * (np.minimum(*known) > 1e-3)
    result = mask.copy()
    part = result[rows, columns]
    decided = part * (1 - say) + likely * say
    decided = cv2.GaussianBlur(decided.astype(np.float32), (0, 0), 0.7)
    part[band] = decided[band]
    result[rows, columns] = part
    return result


def _local_mean(colours: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean colour around each pixel in `part` [h, w], and how much of it there is."""
    weight = cv2.GaussianBlur(part, (0, 0), NEAR)
    total = cv2.GaussianBlur(colours * part[..., None], (0, 0), NEAR)
    return total / np.maximum(weight, 1e-4)[..., None], weight


def _box(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )


def _resized(picture: np.ndarray, size: tuple[int, int], how: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Return a picture or mask at `size` (height, width); itself if it has that."""
    if picture.shape[:2] == size:
        return picture
    return cv2.resize(picture, size[::-1], interpolation=how)
