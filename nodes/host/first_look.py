"""A cheap first look through a video file: where in it is the object at all?

One frame in many is shown to the model, in the size that it works at. Segments of the file in which
none of them shows the object, nor the next one before or after, are copied instead of sampled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import comfy.model_management
import torch
from torch import Tensor

from ...lgvi_core.canvas import Fit, to_canvas
from ...lgvi_core.video.files import VideoReader, VideoSource
from ...lgvi_core.video.planes import frame_to_rgb
from .autoencoder import encode
from .conditioning import branches
from .removal import Removal
from .sampling import sample_with_mask


@dataclass(frozen=True)
class FirstLook:
    """What a first look through a video found."""

    frames: int
    """Number of frames of the video."""
    every: int
    """Distance in frames of those that were looked at."""
    found: tuple[int, ...]
    """Numbers of the looked-at frames that show the object, in their order."""

    def shows(self, start: int, stop: int) -> bool:
        """Return whether the frames from `start` up to `stop` may show the object.

        They may where it was found in one of them, or in the next frame looked at on either side.
        """
        return any(start - self.every < number < stop + self.every for number in self.found)

    def segments(self, length: int, overlap: int) -> list[range]:
        """Return the ranges of frames that have to be sampled, of segments as `segments` cuts."""
        hop = length - overlap
        starts = range(0, max(1, self.frames - overlap), hop)
        ranges = [range(start, min(start + length, self.frames)) for start in starts]
        return [
            part
            for number, part in enumerate(ranges)
            if self.shows(part.start + (overlap if number else 0), part.stop)
        ]

    def describe(self) -> str:
        """Return a line for the person."""
        looked = len(range(0, self.frames, self.every))
        return f"first look: the object is in {len(self.found)} of {looked} frames"


def look(source: VideoSource, removal: Removal, fit: Fit) -> FirstLook:
    """Look at one frame in `removal.look_every` of a video, a window of them at a time.

    The removal's settings are complete. Memory is that of one window. Raises LGVIError as
    `sample_with_mask` does.
    """
    found: list[int] = []
    numbers: list[int] = []
    images: list[Tensor] = []
    count = 0
    with VideoReader(source) as video:
        for frame in video:
            comfy.model_management.throw_exception_if_processing_interrupted()
            if count % removal.look_every == 0:
                numbers.append(count)
                images.append(to_canvas(frame_to_rgb(frame)[None], fit))
            count += 1
            if len(images) == removal.window:
                found += _showing(numbers, images, removal)
                numbers, images = [], []
    if images:
        found += _showing(numbers, images, removal)
    return FirstLook(count, removal.look_every, tuple(found))


def _showing(numbers: list[int], images: list[Tensor], removal: Removal) -> Iterator[int]:
    """Yield the `numbers` of those images [1, h, w, 3] in which the model finds the object."""
    c_x = encode(removal.vae, torch.cat(images))
    conditionings = branches(removal.positive, removal.negative, c_x)
    latent = {"samples": torch.zeros_like(c_x)}
    _, mask = sample_with_mask(removal.model, conditionings, latent, removal.sampling, None)
    assert mask is not None, "remove has refused a model without masks"
    for number, one in zip(numbers, mask, strict=True):
        if (one >= removal.mask.threshold).any():
            yield number
