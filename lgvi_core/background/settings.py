"""What a person may set about the background, and what goes in and comes out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from ..errors import LGVIError
from .flow import FlowFunction, dis


@dataclass(frozen=True)
class BackgroundSettings:
    """How the background is looked for; every default is the one that the study found best.

    `reach` is how many frames away a pixel may come from; memory grows with it and not with the
    video's length. `flow` measures the motion between two frames; `flow_side` is the longer side in
    pixels at which it works (larger frames are shrunk for it, and sampled at full size).
    `motions` is how many motions are looked for around a hole: 1 is a single homography.
    The limits are how far in pixels of the flow's size a path may miss its start when it goes
    there and back: `landing_limit` where it ends on a pixel that is seen, `passing_limit` where
    it goes on behind an object. `rim` is how many pixels around a hole are compared to match
    colours, and avoided as a source where others are at hand. Raises LGVIError for values that
    have no meaning.
    """

    reach: int = 40
    flow: FlowFunction = field(default_factory=dis)
    flow_side: int = 480
    motions: int = 2
    landing_limit: float = 1.5
    passing_limit: float = 1.0
    rim: int = 4
    match_colours: bool = True

    def __post_init__(self) -> None:
        least = {"reach": 1, "flow_side": 32, "motions": 1, "rim": 2}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise LGVIError(f"{name} must be {bound} or more, got {getattr(self, name)}")
        for name in ("landing_limit", "passing_limit"):
            if not getattr(self, name) > 0:
                raise LGVIError(f"{name} must be above 0 pixels, got {getattr(self, name)}")
        if self.motions > 2:
            raise LGVIError(f"motions must be 1 or 2, got {self.motions}")


Painting = Tensor | Callable[[], Tensor] | None
"""A painting, or a function that makes it, or none."""


class MaskedFrame(NamedTuple):
    """One frame as it comes: pixels [h, w, 3], mask [h, w] and, optionally, a painting [H, W, 3].

    The mask is 0 where the frame is kept and above 0 where the background is laid over it, by that
    opacity up to 1. The painting shows the same frame without the object, at any size and in any
    type that frames have; a function that makes it is called only where it is needed.
    """

    frame: Tensor
    mask: Tensor
    painting: Painting = None


class Filled(NamedTuple):
    """Finished frames, and from 0 to 1 what of each pixel no frame showed and had to be painted.

    Of a whole clip: [f, h, w, 3] and float32 [f, h, w]; of a stream: one frame of it.
    """

    frames: Tensor
    unseen: Tensor
