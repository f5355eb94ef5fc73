"""How the model sees a clip: which part of each frame, and on which canvas."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .canvas import Fit, Size, fit_canvas, from_canvas, to_canvas
from .crops import Crops


@dataclass(frozen=True)
class View:
    """The way from frames of the source to the model's canvas, and back."""

    source: Size
    """(height, width) of the source frames in pixels."""
    fit: Fit
    """From what is shown of a frame to the canvas."""
    crops: Crops | None = None
    """What is shown of each frame; None where it is all."""

    @classmethod
    def of(cls, source: Size, working_size: int, crops: Crops | None = None) -> "View":
        """Make the view of frames of `source` size, or of crops of them, at a working size."""
        if crops is not None and crops.is_whole:
            crops = None
        return cls(source, fit_canvas(crops.size if crops else source, working_size), crops)

    def shown(self, frame: Tensor, number: int) -> Tensor:
        """Return what the model sees [1, H, W, 3] of frame `number` [h, w, 3]."""
        if self.crops is not None:
            frame = frame[self.crops.slices(number)]
        return to_canvas(frame[None], self.fit)

    def restored(self, image: Tensor) -> Tensor:
        """Return an image or mask [H, W, c] of the canvas in the size of what is shown [h, w, c].

        `placed` brings that to its place in the frame.
        """
        return from_canvas(image[None], self.fit)[0]

    def placed(self, part: Tensor, number: int) -> Tensor:
        """Return `part` [h, w, ...] of frame `number` in its place in the frame, 0 around it."""
        if self.crops is None:
            return part
        whole = torch.zeros(*self.source, *part.shape[2:], dtype=part.dtype, device=part.device)
        whole[self.crops.slices(number)] = part
        return whole

    def describe(self) -> str:
        """Describe in one phrase what happens to the frames, for the person who runs the graph."""
        if self.crops is None:
            return self.fit.describe()
        return f"a crop that follows the object, {self.fit.describe()}"
