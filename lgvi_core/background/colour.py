"""Colour correction: what comes from other frames is brought to this frame's brightness and hue.

First by the brightness of the whole surroundings from frame to frame, then from the rim inwards:
what the sources say of the pixels around the hole, which this frame shows itself, differs from
what it shows by an error that is filled smoothly into the hole.
"""

import numpy as np
import torch
from torch import Tensor

from .areas import around, continued
from .fuse import Found
from .sample import sample_linear
from .store import FrameRing, Place, Size


def brightened(colours: Tensor, frames: Tensor, number: int, ring: FrameRing) -> Tensor:
    """`colours` [n, 3] from the frames of those numbers [n] in the light of frame `number`."""
    light = ring.gains[number % ring.capacity] - ring.gains[ring.slot(frames)]
    return colours * light.exp()


def rim_error(
    found: list[Found],
    number: int,
    place: Place,
    front: Tensor | None,
    ring: FrameRing,
    size: Size,
) -> Tensor | None:
    """What to add [1, fh, fw, 3], of 255, to what was found for frame `number`; None for nothing.

    `found` speaks of all pixels of the small frame, of which those of the rim are used, without
    what stands in `front` [fh * fw].
    """
    rim = place.rim if front is None else place.rim & ~front
    index = rim.nonzero()[:, 0]
    share = sum((part.share[index] for part in found), torch.zeros(len(index), device=index.device))
    index = index[share > 0]
    if len(index) < 8:
        return None
    told = torch.zeros((len(index), 3), device=index.device)
    for part in found:
        traces = part.traces.at(index)
        colours = sample_linear(ring.small, ring.slot(traces.frame), traces.xy)
        told += part.share[index, None] * brightened(colours, traces.frame, number, ring)
    shows = ring.small[number % ring.capacity].reshape(-1, 3)[index].float()
    error = filled_from_rim(shows - told, index, place.hole, size)
    return error[None]


def filled_from_rim(error: Tensor, index: Tensor, hole: Tensor, size: Size) -> Tensor:
    """The errors [n, 3] of the pixels `index` smoothly continued [fh, fw, 3] over the `hole`."""
    whole = np.zeros((*size, 3), np.float32)
    known = np.zeros(size, bool)
    places = index.cpu().numpy()
    whole.reshape(-1, 3)[places] = error.cpu().numpy()
    known.reshape(-1)[places] = True
    place = around(known | hole.reshape(size).cpu().numpy(), 0)
    whole[place] = continued(whole[place], known[place])
    return torch.from_numpy(whole).to(error.device)
