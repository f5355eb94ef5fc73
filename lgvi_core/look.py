"""A first look: where in a large frame a small object is.

A model sees no object that is smaller than a few of its cells. So a frame in which it finds nothing
is looked at again at larger working sizes, one frame at a time. What those show is believed when a
second look, at the place alone, shows it again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Size, fit_canvas
from .crops import Box, Crops, boxes_of, follow

Predict = Callable[[Tensor], Tensor]
"""Predicts the mask [1, h, w], 0 to 1, of a single frame [1, h, w, 3] at its own size."""


class Frames(Protocol):
    """Frames [h, w, 3], 0 to 1, in order, of which one at a time is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


LEVELS = (1, 2, 4, 6)
"""Working sizes, in the model's own, that a frame is looked at one after the other."""
FOUND = 0.5
"""Mask value from which on something counts as found."""
SPECK = 16
"""Pixels below which what is found is nothing."""
AROUND = 1.0
"""Surroundings on each side, in sizes of what was found, that the second look shows."""
TRIES = 3
"""Frames of a clip that are searched for a first trace of the object, at most."""


class Look:
    """Looks for an object in frames of one size, however small it is."""

    def __init__(self, predict: Predict, source: Size, working_size: int) -> None:
        """`source` (height, width) are the frames' pixels; the model works at `working_size`.

        A working size of 0 is the frames' own.
        """
        self.predict = predict
        self.source = source
        self.working_size = working_size = working_size or max(source)
        # Enlarging beyond the frame's own pixels shows nothing more.
        most = max(1, max(source) / working_size)
        self.levels = [level for level in LEVELS if level <= most]
        self.sizes = [fit_canvas(source, working_size * level).content for level in self.levels]
        self.least = working_size / max(self.sizes[-1])
        """Share of the frame's sides below which a place is shown with more around it."""

    @property
    def size(self) -> Size:
        """(height, width) of the masks: that of the largest look."""
        return self.sizes[-1]

    def shrink(self, frame: Tensor) -> Tensor:
        """Return a frame [h, w, 3] at the size of the largest look: all that a look needs."""
        return _picture(frame, self.size)

    def through(self, frames: Frames) -> Tensor:
        """Return the masks [f, *size] of `frames` [h, w, 3], 0 to 1, of any size.

        The frames are of one clip, in order, and may lie some way apart. Some, spread over the
        clip, are searched until the object is found in one; from there it is followed in both
        directions of time. All masks are empty where it is found in none.
        """
        masks = torch.zeros(len(frames), *self.size)
        for first in spread(len(frames), TRIES):
            masks[first], level = self.search(frames[first])
            if level is None:
                continue
            for numbers in (range(first + 1, len(frames)), range(first - 1, -1, -1)):
                last = masks[first]
                for number in numbers:
                    masks[number] = self.again(frames[number], last, level)
                    if masks[number].any():
                        last = masks[number]
            break
        return masks

    def boxes(self, frames: Tensor, every: int) -> dict[int, Box]:
        """Return where the object is, in pixels of the source, by the number of the frame.

        Of the `frames` [f, h, w, 3] of a clip, every so many and the last one are looked at.
        """
        numbers = every_so_often(len(frames), every)
        found = boxes_of(self.through(frames[numbers]), self.source)
        return {numbers[index]: box for index, box in found.items()}

    def crops(self, frames: Frames, boxes: Mapping[int, Box], count: int) -> Crops | None:
        """Return crops of a clip of `count` frames that follow an object, where they help.

        `boxes` are where it was found, in pixels of the source, by the number of the frame;
        `frames` [h, w, 3], of any size, are asked for by the same numbers. None for an object so
        large that there is nothing to crop, and where the model does not find it again in the crop
        of each of those frames.
        """
        if not boxes:
            return None
        crops = follow(boxes, count, self.source)
        if crops.is_whole:
            return None
        for number in boxes:
            frame = frames[number]
            scale = len(frame) / self.source[0], frame.shape[1] / self.source[1]
            place = [
                slice(
                    round(part.start * by), max(round(part.start * by) + 1, round(part.stop * by))
                )
                for part, by in zip(crops.slices(number), scale, strict=True)
            ]
            part = frame[tuple(place)]
            fit = fit_canvas((part.shape[0], part.shape[1]), self.working_size)
            if not (self.predict(_picture(part, fit.content)[None]) >= FOUND).any():
                return None
        return crops

    def search(self, frame: Tensor) -> tuple[Tensor, int | None]:
        """Return the mask [*size] of a frame [h, w, 3], and which look found it.

        That is None, and the mask empty, where nothing is found.
        """
        for number, size in enumerate(self.sizes):
            found = self._whole(_picture(frame, size), number)
            if found.any():
                return _resized(found, self.size), number
        return torch.zeros(self.size), None

    def again(self, frame: Tensor, last: Tensor, number: int) -> Tensor:
        """Return the mask [*size] of a frame, by the look of that `number`.

        All looks but the first begin in the surroundings of the `last` mask [*size].
        """
        picture = _picture(frame, self.sizes[number])
        box = boxes_of(_resized(last, self.sizes[number])[None]).get(0) if number else None
        if box is not None:
            found = self._seen(picture, self._around(box, self.sizes[number]))
            if found.any():
                return _resized(found, self.size)
        return _resized(self._whole(picture, number), self.size)

    def _whole(self, picture: Tensor, number: int) -> Tensor:
        """Return the mask [h, w] of a whole picture, at the size of the look of that `number`."""
        found = self._seen(picture, (slice(None), slice(None)))
        return self._confirmed(picture, found) if number else found

    def _confirmed(self, picture: Tensor, found: Tensor) -> Tensor:
        """Return what of a mask [h, w] a second look, with it in the middle, shows again."""
        marked = (found >= FOUND).numpy().astype("uint8")
        count, labels, stats, _ = cv2.connectedComponentsWithStats(marked)
        kept = torch.zeros_like(found)
        for label in range(1, count):
            left, top, width, height, area = stats[label].tolist()
            if area < SPECK:
                continue
            box = Box(top, left, top + height, left + width)
            second = self._seen(picture, self._around(box, found.shape))
            if (second[torch.from_numpy(labels == label)] >= FOUND).float().mean() >= 0.5:
                kept = torch.maximum(kept, second)
        return kept

    def _seen(self, picture: Tensor, place: tuple[slice, slice]) -> Tensor:
        """Return the mask [h, w] of a `place` of a picture [h, w, 3], 0 around it."""
        seen = torch.zeros(picture.shape[:2])
        mask = self.predict(picture[place][None])[0].float().cpu()
        seen[place] = torch.where(mask >= FOUND, mask, 0.0)
        return seen

    def _around(self, box: Box, size: Sequence[int]) -> tuple[slice, slice]:
        """Return a place in pictures of `size` with a box in the middle, of the same shape."""
        share = max(
            (box[2] - box[0]) * (1 + 2 * AROUND) / size[0],
            (box[3] - box[1]) * (1 + 2 * AROUND) / size[1],
            self.least,
        )
        place = []
        for start, stop, whole in zip(box[:2], box[2:], size, strict=True):
            side = min(whole, round(whole * share))
            first = min(max(0, round((start + stop - side) / 2)), whole - side)
            place.append(slice(first, first + side))
        return place[0], place[1]


def every_so_often(count: int, every: int) -> list[int]:
    """Return every `every`th number below `count`, and the last one."""
    return sorted({*range(0, count, every), count - 1})


def spread(length: int, count: int) -> list[int]:
    """Return up to `count` numbers below `length`, evenly spread, the middle ones first."""
    count = min(length, count)
    numbers = [(2 * i + 1) * length // (2 * count) for i in range(count)]
    return sorted(numbers, key=lambda number: abs(2 * number + 1 - length))


def _resized(mask: Tensor, size: Size) -> Tensor:
    if tuple(mask.shape) == size:
        return mask
    return F.interpolate(mask[None, None], size=size, mode="bilinear")[0, 0]


def _picture(frame: Tensor, size: Size) -> Tensor:
    if tuple(frame.shape[:2]) == size:
        return frame
    planes = frame.float().movedim(-1, 0)[None]
    return F.interpolate(planes, size=size, mode="bilinear", antialias=True)[0].movedim(0, -1)
