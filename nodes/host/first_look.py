"""A cheap first look through a video file: where in it is the object at all?

One frame in many is shown to the model, in the size that it works at. Segments of the file in which
none of them shows the object, nor the next one before or after, are copied instead of sampled. A
small object gets a crop that follows it, and one that is not found is looked for in larger sizes.
"""

from dataclasses import dataclass

import comfy.model_management
import cv2
import numpy as np
import torch
from torch import Tensor

from ...lgvi_core.canvas import Size, fit_canvas, to_canvas
from ...lgvi_core.crops import Box, Crops, boxes_of
from ...lgvi_core.look import Look
from ...lgvi_core.video.files import VideoReader, VideoSource
from ...lgvi_core.video.planes import frame_to_rgb
from .autoencoder import encode
from .conditioning import branches
from .removal import Removal
from .sampling import sample_with_mask

LOOKS_A_SECOND = 6
"""Frames looked at in a second of video, where only a crop is wanted."""


@dataclass(frozen=True)
class FirstLook:
    """What a first look through a video found."""

    frames: int
    """Number of frames of the video."""
    every: int
    """Distance in frames of those that were looked at."""
    found: tuple[int, ...]
    """Numbers of the looked-at frames that show the object, in their order."""
    looked: int
    """Number of frames that were looked at."""
    crops: Crops | None = None
    """Where the frames are cut; None where the whole frames are better."""

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
        return f"first look: the object is in {len(self.found)} of {self.looked} frames"


def look(source: VideoSource, removal: Removal) -> FirstLook:
    """Look through a video, at every `removal.look_every`th frame, or some of each second.

    The removal's settings are complete. Memory is that of one window of frames and, where a crop is
    wanted, of a small compressed picture of each frame looked at. Raises LGVIError as
    `sample_with_mask` does.
    """
    with VideoReader(source) as video:
        every = removal.look_every or max(1, round(video.info.fps / LOOKS_A_SECOND))
        size = video.info.size
        looked = _Looked(size, removal)
        count, left = 0, None
        for frame in video:
            comfy.model_management.throw_exception_if_processing_interrupted()
            left = None if count % every == 0 else frame
            if left is None:
                looked.add(count, frame_to_rgb(frame))
            count += 1
        if left is not None and removal.crop:
            looked.add(count - 1, frame_to_rgb(left))  # a crop must know where the path ends
        looked.end()
    if removal.crop and not looked.boxes:
        looked.search()
    crops = looked.crops(count) if removal.crop else None
    return FirstLook(count, every, tuple(sorted(looked.boxes)), looked.count, crops)


class _Looked:
    """The frames that are looked at, and the boxes of the object in them by their numbers."""

    def __init__(self, size: Size, removal: Removal) -> None:
        self.size, self.removal = size, removal
        self.fit = fit_canvas(size, removal.working_size)
        self.boxes: dict[int, Box] = {}
        self.count = 0
        self._look = Look(self._predict, size, removal.working_size)
        self._pictures: dict[int, np.ndarray] = {}
        self._waiting: dict[int, Tensor] = {}

    def add(self, number: int, frame: Tensor) -> None:
        """Add frame `number` [h, w, 3]."""
        self.count += 1
        self._waiting[number] = to_canvas(frame[None], self.fit)
        if self.removal.crop:
            small = (self._look.shrink(frame) * 255).round().to(torch.uint8).numpy()
            self._pictures[number] = cv2.imencode(".jpg", small[..., ::-1])[1]
        if len(self._waiting) == self.removal.window:
            self.end()

    def end(self) -> None:
        """Look at the frames that wait, together."""
        if not self._waiting:
            return
        masks = _masks(torch.cat(list(self._waiting.values())), self.removal)
        height, width = self.fit.content
        shown = masks[:, :height, :width] >= self.removal.mask.threshold
        numbers = list(self._waiting)
        found = boxes_of(shown.float(), self.size)
        self.boxes |= {numbers[index]: box for index, box in found.items()}
        self._waiting = {}

    def search(self) -> None:
        """Look for an object that is too small for the size that the model works at."""
        numbers = list(self._pictures)
        in_order = _Pictures(dict(enumerate(self._pictures.values())))
        masks = self._look.through(in_order)
        found = boxes_of(masks, self.size)
        self.boxes = {numbers[index]: box for index, box in found.items()}

    def crops(self, count: int) -> Crops | None:
        """Return the crops of a video of `count` frames, where they help."""
        return self._look.crops(_Pictures(self._pictures), self.boxes, count)

    def _predict(self, frames: Tensor) -> Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        fit = fit_canvas((frames.shape[1], frames.shape[2]))
        return _masks(to_canvas(frames, fit), self.removal)[:, : fit.source[0], : fit.source[1]]


class _Pictures:
    """Compressed pictures, by their numbers, as frames [h, w, 3], 0 to 1."""

    def __init__(self, pictures: dict[int, np.ndarray]) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: int) -> Tensor:
        pixels = cv2.imdecode(self._pictures[number], cv2.IMREAD_COLOR)
        assert pixels is not None, "it was compressed here"
        return torch.from_numpy(pixels[..., ::-1].copy()).float() / 255


def _masks(images: Tensor, removal: Removal) -> Tensor:
    """Return the masks [n, H, W] of images [n, H, W, 3] on the canvas, as one clip."""
    c_x = encode(removal.vae, images)
    conditionings = branches(removal.positive, removal.negative, c_x)
    latent = {"samples": torch.zeros_like(c_x)}
    _, mask = sample_with_mask(removal.model, conditionings, latent, removal.sampling, None)
    assert mask is not None, "remove has refused a model without masks"
    return mask
