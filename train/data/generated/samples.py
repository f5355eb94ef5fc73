"""Procedurally drawn clips with a sentence that asks for a removal.

sample = make_sample("held-out", 7, frames=8, height=128, width=128)
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..drawn.emoji import EMOJI
from ..drawn.numbered import SPLITS, scene_of
from ..drawn.scenes import Scene, draw_scene
from ..drawn.sprites import NOUNS
from ..language.expressions import describe_removal, sample_pair
from ..sample import Sample


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
