"""What the readers of clips that are made when they are read have in common."""

import numpy as np


class SeededReader:
    """Reader of `count` clips from number `first` on, each made from its number as a seed."""

    def __init__(self, count: int, first: int, frames: int | None) -> None:
        """`frames` is the length of the clips; None makes as many as are asked for."""
        self.count, self.first, self.frames = count, first, frames

    def __len__(self) -> int:
        return self.count

    def conversations(self) -> int | None:
        """See `Reader.conversations`."""
        return 0

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """See `Reader.order`."""
        return rng.permutation(len(self))
