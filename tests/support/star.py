"""Whether the red star of the sample video went, and nothing else."""

from typing import Any

import numpy as np


def check_that_the_star_went(source: np.ndarray, output: Any) -> None:
    """Assert that of the sample video's objects, only the star is gone in a pipeline's `output`.

    `source` are the video's frames, uint8 [f, h, w, 3], in which colours tell the objects apart.
    """
    red, green, blue = np.moveaxis(source.astype(int), -1, 0)
    star = (red > 150) & (green < 80)
    fish = (red > 150) & (green > 130) & (blue < 90)
    heart = (red > 200) & (green > 200) & (blue > 200)
    mask = output.mask.numpy() >= 0.5
    assert mask[star].mean() > 0.5
    assert mask[fish].mean() < 0.2
    assert mask[heart].mean() < 0.2
    error = np.abs(output.frames.numpy() * 255 - source)
    assert error[star].mean() > 3 * max(error[fish].mean(), error[heart].mean())
