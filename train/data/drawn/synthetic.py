"""Procedural clips with a sentence that asks for a removal: the data of the bundled model.

    sample = make_sample("held-out", 7, frames=8, height=128, width=128)

The same split and number always give the same clip. Training and held-out numbers seed different
streams, so no clip of one is in the other.
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

SPLITS = {"train": 0, "held-out": 1}
FRAME_SIZES = ((128, 128), (96, 160))  # (height, width) of the two buckets


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
    """The scene behind a number; `split` is "train" or "held-out".

    With a `stride` above 1 it has every `stride`-th frame of a longer clip. `turned` turns most
    objects by any angle; else all stand almost upright. `photographs` puts about half of the scenes
    before one, `emoji_font` swaps about half of the drawings for emoji; objects stay where they
    are. Both raise LGVIError where what they need is not installed.
    """
    rng = np.random.default_rng([SPLITS[split], number])
    scene = sample_scene(rng, (frames - 1) * stride + 1, aspect)
    # Streams of their own: what is switched off changes nothing for the rest.
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
    """Draws clip `number` of a split together with a sentence for it.

    `turned`, `photographs` and `emoji_font` are those of `scene_of`.
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
    """The scene with all of its objects, and without those `removed`."""
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
