"""Procedurally drawn clips with a sentence that asks for a removal.

    sample = make_sample("held-out", 7, frames=8, height=128, width=128)

The same split and number always give the same clip. The training and held-out splits have different
random streams, so that they share no clip.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..language.expressions import describe_removal, sample_pair
from ..sample import Sample
from .emoji import EMOJI
from .scenes import (
    Scene,
    draw_scene,
    sample_scene,
    select_frames,
    with_emoji,
    with_photograph,
    with_turned_objects,
)
from .sprites import NOUNS

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


def make_sample(
    split: str,
    number: int,
    frames: int,
    height: int,
    width: int,
    *,
    turned: bool = False,
    photographs: bool = False,
    emoji_font: Path | None = None,
) -> Sample:
    """Draw clip `number` of a split, at `height` x `width` pixels, with a sentence for it.

    `turned`, `photographs` and `emoji_font` are as in `scene_of`.
    """
    aspect = width / height
    scene = scene_of(
        split,
        number,
        frames,
        aspect,
        turned=turned,
        photographs=photographs,
        emoji_font=emoji_font,
    )
    rng = np.random.default_rng([SPLITS[split], number, 1])
    present, removed = sample_pair(rng, len(scene.objects), all_present=True)
    nouns = NOUNS if emoji_font is None else (*NOUNS, *EMOJI)
    request = describe_removal(rng, scene.objects, present, removed, nouns)
    sample = compose_sample(scene, request.removed, height, width, request.sentence)
    return replace(sample, name=f"{split} {number}", kind=request.kind)


def compose_sample(
    scene: Scene, removed: tuple[int, ...], height: int, width: int, sentence: str
) -> Sample:
    """Draw a sample: the scene with all of its objects, and without those `removed` (indices)."""
    layers = draw_scene(scene, height, width)
    present = range(len(scene.objects))
    kept = tuple(i for i in present if i not in removed)
    coverage = np.round(layers.masks() * 255).astype(np.uint8)
    mask = np.zeros_like(coverage[0])
    for index in removed:
        mask = np.maximum(mask, coverage[index])
    return Sample(
        source=layers.compose(present),
        target=layers.compose(kept),
        mask=mask,
        sentence=sentence,
        name="",
        object_masks=coverage,
        removed=removed,
        without={i: layers.compose(tuple(k for k in kept if k != i)) for i in kept},
        objects=scene.objects,
    )
