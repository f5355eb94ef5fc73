"""Drawn scenes by number: the same split and number always give the same scene.

The training and held-out splits have different random streams, so that they share no scene.
"""

from pathlib import Path

import numpy as np

from .scenes import (
    Scene,
    sample_scene,
    select_frames,
    with_emoji,
    with_photograph,
    with_turned_objects,
)

SPLITS = {"train": 0, "held-out": 1}  # the first number of each split's random seeds
FRAME_SIZES = ((128, 128), (96, 160))  # (height, width) in pixels that training alternates between


def scene_of(
    split: str,
    number: int,
    frames: int,
    aspect: float,
    stride: int = 1,
    *,
    turned: bool = False,
    photographs: bool = False,
    emoji_font: Path | None = None,
) -> Scene:
    """Sample scene `number` of a split ("train" or "held-out"), with `frames` frames.

    `aspect` is the frame's width over its height. With a `stride` above 1 the scene has every
    `stride`-th frame of a longer clip. `turned` rotates most objects by any angle; without it all
    are almost upright. `photographs` gives about half of the scenes a photograph as background, and
    `emoji_font` replaces about half of the drawings by emoji; the paths of the objects stay the
    same. Drawing these raises LGVIError if scikit-image or the font is missing.
    """
    rng = np.random.default_rng([SPLITS[split], number])
    scene = sample_scene(rng, (frames - 1) * stride + 1, aspect)
    # Each option has its own random stream, so that switching it does not change the others.
    if turned:
        scene = with_turned_objects(scene, np.random.default_rng([SPLITS[split], number, 4]))
    if photographs:
        scene = with_photograph(scene, np.random.default_rng([SPLITS[split], number, 2]), split)
    if emoji_font is not None:
        scene = with_emoji(scene, np.random.default_rng([SPLITS[split], number, 3]), emoji_font)
    return select_frames(scene, slice(None, None, stride))
