"""The frames within reach: a ring of full-size frames, and of what is needed of each when small."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .pairs import Glance
from .settings import MaskedFrame

Size = tuple[int, int]
"""(height, width) in pixels."""
NEAR = 24
"""Pixels around a hole in which a thing that stands in front is looked behind."""


@dataclass(frozen=True)
class Place:
    """Where a frame hides its background, at the flow's size; bool [h * w] and int64 indices [n].

    `hole` is removed; `hidden` is that and what lies so near that no sample may be taken there;
    `rim` is around the hole and shown; `near` are hole, rim and what lies around them. `list` are
    the pixels of hole and rim.
    """

    hole: Tensor
    hidden: Tensor
    rim: Tensor
    near: Tensor
    list: Tensor


class FrameRing:
    """The last `capacity` frames by their number; the memory for them is taken once.

    `frames` [capacity, h, w, 3] in the type of the video, `small` [capacity, fh, fw, 3] uint8,
    `shown` [capacity, fh * fw] where a small pixel may be a source, `gains` [capacity, 3] the
    logarithm of each frame's brightness against the first.
    """

    def __init__(self, like: Tensor, capacity: int, small: Size) -> None:
        """`like` is a frame [h, w, 3]."""
        self.capacity = capacity
        device = like.device
        self.frames = like.new_empty((capacity, *like.shape))
        self.small = torch.empty((capacity, *small, 3), dtype=torch.uint8, device=device)
        self.shown = torch.empty((capacity, small[0] * small[1]), dtype=torch.bool, device=device)
        self.gains = torch.zeros((capacity, 3), device=device)
        self.scale = (like.shape[1] / small[1], like.shape[0] / small[0])

    def slot(self, number: Tensor) -> Tensor:
        """Where in the ring the frames of those numbers lie."""
        return number % self.capacity

    def put(self, number: int, frame: Tensor, glance: Glance, place: Place | None) -> Tensor:
        """Adds a frame, and forgets the one that is `capacity` older; returns where it is kept."""
        slot = number % self.capacity
        self.frames[slot] = frame
        self.small[slot] = torch.from_numpy(glance.pixels)
        self.shown[slot] = True if place is None else ~place.hidden
        return self.frames[slot]


def flow_size(size: Size, side: int) -> Size:
    """The size at which the flow of frames of `size` works: at most `side` pixels long."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def glance_of(shown: MaskedFrame, size: Size) -> Glance:
    """A frame and its mask at the flow's size; what is removed in part counts as removed."""
    hole = _mean((shown.mask > 0)[..., None].float(), size)
    return Glance(resized(shown.frame, size), hole[..., 0] > 0)


def place_of(hole: np.ndarray, rim: int, spoiled: int, device: torch.device) -> Place | None:
    """Where `hole` [h, w] hides the background; None where it is empty.

    `spoiled` is how many pixels around it no sample may be taken from.
    """
    if not hole.any():
        return None
    wide = _grown(hole, rim)
    parts = [hole, _grown(hole, spoiled), wide & ~hole, _grown(hole, rim + NEAR), wide]
    flat = [torch.from_numpy(part.reshape(-1)).to(device) for part in parts]
    return Place(flat[0], flat[1], flat[2], flat[3], flat[4].nonzero()[:, 0])


def resized(frame: Tensor, size: Size) -> np.ndarray:
    """A frame [h, w, 3] of any type and size as uint8 [*size, 3]."""
    small = _mean(frame, size)
    if small.dtype == np.uint8:
        return small
    return np.rint((small / white(frame)).clip(0, 1) * 255).astype(np.uint8)


def white(pixels: Tensor) -> float:
    """What white is in the type of some pixels: 1 for floats, the largest number for integers."""
    return 1.0 if pixels.is_floating_point() else float(torch.iinfo(pixels.dtype).max)


def put(pixels: Tensor, index: Tensor, colours: Tensor) -> None:
    """Writes float `colours` [n, 3] into `pixels` [m, 3] at `index` [n], rounded to their type."""
    if not pixels.is_floating_point():
        colours = colours.round()
    colours = colours.clamp(0, white(pixels))
    if pixels.dtype == torch.uint16:
        # torch writes no uint16; the same bits as int16 are the same samples.
        pixels.view(torch.int16)[index] = colours.to(torch.int32).to(torch.int16)
    else:
        pixels[index] = colours.to(pixels.dtype)


def _mean(image: Tensor, size: Size) -> np.ndarray:
    """The mean [*size, c] of what each pixel covers of `image` [h, w, c]: float32 or uint8.

    A smaller image is enlarged linearly.
    """
    if image.device.type == "cpu" or tuple(image.shape[:2]) == size:
        pixels = image if image.dtype == torch.uint8 else image.float()
        small = pixels.cpu().numpy()
        if tuple(image.shape[:2]) != size:
            larger = small.shape[0] < size[0] or small.shape[1] < size[1]
            way = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
            small = cv2.resize(small, size[::-1], interpolation=way)
        return small.reshape(*size, -1)
    planes = image.movedim(-1, 0)[None].float()
    larger = image.shape[0] < size[0] or image.shape[1] < size[1]
    mode = "bilinear" if larger else "area"
    mean = F.interpolate(planes, size, mode=mode)[0].movedim(0, -1)
    return (mean.round().to(torch.uint8) if image.dtype == torch.uint8 else mean).cpu().numpy()


def _grown(hole: np.ndarray, radius: int) -> np.ndarray:
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.dilate(hole.astype(np.uint8), kernel) > 0
