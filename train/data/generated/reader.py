"""The data set of procedurally drawn clips, which are drawn when they are read."""

from pathlib import Path

import numpy as np

from ..drawn.emoji import check_font
from ..drawn.photographs import check_photographs
from ..sample import Sample
from .samples import make_sample
from .seeded import SeededReader


class GeneratedReader(SeededReader):
    """Reader of the clips `first` to `first + count - 1` of a split, drawn at `size` (h, w).

    The split is "train" or "held-out". `frames` fixes the number of frames whatever is asked for;
    1 makes a data set of images. `turned`, `photographs` and `emoji_font` are as in `scene_of`.
    Raises LGVIError if the photographs or the font are missing.
    """

    def __init__(
        self,
        split: str,
        size: tuple[int, int],
        count: int,
        first: int = 0,
        frames: int | None = None,
        turned: bool = False,
        photographs: bool = False,
        emoji_font: Path | None = None,
    ) -> None:
        super().__init__(count, first, frames)
        self.split, self.size, self.turned = split, size, turned
        self.photographs, self.emoji_font = photographs, emoji_font
        if photographs:
            check_photographs()
        if emoji_font is not None:
            check_font(emoji_font)

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """See `Reader.read`; the clip's number is its seed, and `rng` is not used."""
        if not 0 <= index < self.count:
            raise IndexError(f"clip {index} of {self.count}")
        return make_sample(
            self.split,
            self.first + index,
            self.frames or frames,
            *self.size,
            turned=self.turned,
            photographs=self.photographs,
            emoji_font=self.emoji_font,
        )
