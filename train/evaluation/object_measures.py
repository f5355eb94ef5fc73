"""Measures of objects: whether the named ones are gone and all others are still there.

Frames are uint8 RGB [f, h, w, 3]; predicted masks are boolean [f, h, w].
"""

import numpy as np

from lgvi_core.chat.marks import find_prompts

from ..data.language.prompts import is_sentence, parse_prompt
from ..data.sample import Sample
from .frame_measures import dilate

CLEAN, VISIBLE, DAMAGED = 0.25, 0.5, 0.5
"""Bounds for the distance to the target, relative to that of the object as the source shows it."""
ABSENT_MASK_SHARE = (
    0.02  # a mask where nothing is to be removed has to cover less than this share of pixels
)

Values = dict[str, list[float]]
"""Values by measure, one for the scene or one per object; without measures that do not apply."""


def measured_objects(sample: Sample) -> tuple[np.ndarray, tuple[int, ...]]:
    """Boolean masks [n, f, h, w] of the objects, and the indices of those to be removed.

    Where a data set only has one mask of all that is to be removed, that counts as one object.
    """
    if sample.object_masks is not None:
        return sample.object_masks >= 128, sample.removed
    mask = sample.mask >= 128
    return mask[None], (0,) if mask.any() else ()


def error(one: np.ndarray, other: np.ndarray, area: np.ndarray) -> float:
    """Euclidean distance of two videos within a boolean area [f, h, w], on values of 0 to 255."""
    return float(np.sqrt(np.square(one[area].astype(np.float32) - other[area]).sum()))


def mask_measures(sample: Sample, predicted: np.ndarray) -> Values:
    """The measures of a predicted mask: iou, right and twins; or absent where nothing is to go."""
    masks, removed = measured_objects(sample)
    if not removed:
        return {"absent": [float(predicted.mean() < ABSENT_MASK_SHARE)]}
    truth = sample.mask >= 128
    found = {"iou": [float((predicted & truth).sum() / max(1, (predicted | truth).sum()))]}
    right = True
    for i, mask in enumerate(masks):
        if mask.any():  # an object outside the frame can be neither found nor spared
            cover = predicted[mask].mean()
            right &= bool(cover >= 0.5 if i in removed else cover <= 0.5)
    found["right"] = [float(right)]
    if sample.kind == "name and place":
        found["twins"] = [float(right)]
    return found


def removal_measures(sample: Sample, result: np.ndarray, dilation: int) -> Values:
    """The measures visible and clean for each removed object that the source shows; two_objects."""
    masks, removed = measured_objects(sample)
    found: Values = {}
    for i in removed:
        area = dilate(masks[i], dilation)
        shown = error(sample.source, sample.target, area)
        if shown > 0:
            share = error(result, sample.target, area) / shown
            found.setdefault("visible", []).append(float(share < VISIBLE))
            found.setdefault("clean", []).append(float(share < CLEAN))
    if sample.kind == "two objects" and found:
        found["two_objects"] = [float(all(found["visible"]))]
    return found


def damage(sample: Sample, result: np.ndarray, reference: np.ndarray, dilation: int) -> list[float]:
    """One value: 1 where any kept object was damaged, otherwise 0; empty where no object is kept.

    `reference` is what an undamaged result looks like: the target after the method's VAE, or the
    target itself.
    """
    found = []
    for i, without in sample.without.items():
        area = dilate(measured_objects(sample)[0][i], dilation)
        shown = error(without, sample.target, area)
        if shown > 0:
            found.append(error(result, reference, area) > DAMAGED * shown)
    return [float(any(found))] if found else []


def reply_measures(sample: Sample, reply: str) -> Values:
    """The measures of a reply: named and well_formed; or silent where nothing is to be removed."""
    letters = [ord(letter) for letter in reply]
    prompts = find_prompts(letters, lambda part: "".join(map(chr, part)))
    if not sample.removed:
        return {"silent": [float(not prompts)]}
    well_formed = len(prompts) == 1 and prompts[0].closed and is_sentence(prompts[0].text)
    named = parse_prompt(prompts[-1].text, sample.objects) if prompts else None
    return {"named": [float(named == sample.removed)], "well_formed": [float(well_formed)]}
