"""Whether what was named went, and everything else stayed.

Frames are uint8 RGB [f, h, w, 3]; predicted masks are boolean [f, h, w].
"""

import numpy as np

from lgvi_core.chat.marks import find_prompts

from ..data.language.prompts import is_sentence, removed_by
from ..data.sample import Sample
from .frame_measures import dilate

CLEAN, VISIBLE, DAMAGED = 0.25, 0.5, 0.5
ALONE = 0.02  # share of the pixels that a mask may hold where there is nothing to remove

Values = dict[str, list[float]]
"""By measure: one value of the scene, or one of each object; what does not apply is left out."""


def measured_objects(sample: Sample) -> tuple[np.ndarray, tuple[int, ...]]:
    """Boolean masks [n, f, h, w] and the indices of those to go.

    Where a data set knows only what goes, all of it is one object.
    """
    if sample.object_masks is not None:
        return sample.object_masks >= 128, sample.removed
    mask = sample.mask >= 128
    return mask[None], (0,) if mask.any() else ()


def error(one: np.ndarray, other: np.ndarray, area: np.ndarray) -> float:
    """Root of the summed squared difference in a boolean area [f, h, w]."""
    return float(np.sqrt(np.square(one[area].astype(np.float32) - other[area]).sum()))


def mask_measures(sample: Sample, predicted: np.ndarray) -> Values:
    """iou, right, twins and absent."""
    masks, removed = measured_objects(sample)
    if not removed:
        return {"absent": [float(predicted.mean() < ALONE)]}
    truth = sample.mask >= 128
    found = {"iou": [float((predicted & truth).sum() / max(1, (predicted | truth).sum()))]}
    right = True
    for i, mask in enumerate(masks):
        if mask.any():  # an object outside of the picture can be neither found nor spared
            cover = predicted[mask].mean()
            right &= bool(cover >= 0.5 if i in removed else cover <= 0.5)
    found["right"] = [float(right)]
    if sample.kind == "name and place":
        found["twins"] = [float(right)]
    return found


def removal_measures(sample: Sample, result: np.ndarray, dilation: int) -> Values:
    """visible and clean for each object to go that the source shows; two_objects."""
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
    """1 where any kept object suffered, 0 where none did; empty where none is kept.

    `reference` is what an undamaged result looks like: the target as the method's VAE gives it
    back, or the target itself.
    """
    found = []
    for i, without in sample.without.items():
        area = dilate(measured_objects(sample)[0][i], dilation)
        shown = error(without, sample.target, area)
        if shown > 0:
            found.append(error(result, reference, area) > DAMAGED * shown)
    return [float(any(found))] if found else []


def reply_measures(sample: Sample, reply: str) -> Values:
    """named and well_formed where something is to go, silent where nothing is."""
    letters = [ord(letter) for letter in reply]
    prompts = find_prompts(letters, lambda part: "".join(map(chr, part)))
    if not sample.removed:
        return {"silent": [float(not prompts)]}
    well_formed = len(prompts) == 1 and prompts[0].closed and is_sentence(prompts[0].text)
    named = removed_by(prompts[-1].text, sample.objects) if prompts else None
    return {"named": [float(named == sample.removed)], "well_formed": [float(well_formed)]}
