"""Measures of objects: whether the named ones are gone and all others are still there.

Frames are uint8 RGB [f, h, w, 3]; predicted masks are boolean [f, h, w].
"""

import numpy as np

from lgvi_core.chat.marks import find_prompts

from ..data.language.prompts import is_sentence, parse_prompt
from ..data.naming import COLOUR_NAMES, things_named
from ..data.sample import Sample
from .frame_measures import dilate

CLEAN, VISIBLE, DAMAGED = 0.25, 0.5, 0.5
CHANGED_SHARE = 0.01  # of the pixels: a clip of which less is changed counts as left alone
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


def shown_frames(sample: Sample, result: np.ndarray, dilation: int) -> Values:
    """The measure shows: the share of frames in which something that is to go can still be seen.

    It can where ||out - target|| is VISIBLE or more of ||source - target|| on the dilated mask of
    an object to go; frames in which the source shows no such object count as well.
    """
    masks, removed = measured_objects(sample)
    if not removed:
        return {}
    shows = np.zeros(len(result), bool)
    for i in removed:
        area = dilate(masks[i], dilation)
        for t in range(len(result)):
            there = area[t : t + 1]
            source, target = sample.source[t : t + 1], sample.target[t : t + 1]
            shown = error(source, target, there)
            left = error(result[t : t + 1], target, there)
            shows[t] |= bool(shown > 0 and left >= VISIBLE * shown)
    return {"shows": [float(shows.mean())]}


def change_measures(sample: Sample, result: np.ndarray) -> Values:
    """Where nothing is to go: changed, the share of pixels that differ from the source at all.

    And untouched: whether this share is at most CHANGED_SHARE.
    """
    if sample.removed or sample.mask.any():
        return {}
    share = float((result != sample.source).any(axis=-1).mean())
    return {"changed": [share], "untouched": [float(share <= CHANGED_SHARE)]}


def reply_measures(sample: Sample, reply: str) -> Values:
    """The measures of a reply: named and well_formed; or silent where nothing is to be removed.

    And answered: whether the reply is right, whichever of the two is due.
    """
    letters = [ord(letter) for letter in reply]
    prompts = find_prompts(letters, lambda part: "".join(map(chr, part)))
    if not sample.removed:
        silent = float(not prompts)
        return {"silent": [silent], "answered": [silent]}
    well_formed = len(prompts) == 1 and prompts[0].closed
    named = None
    if sample.objects:
        well_formed = well_formed and is_sentence(prompts[0].text)
        named = parse_prompt(prompts[-1].text, sample.objects) if prompts else None
    elif prompts:
        named = things_named(prompts[-1].text, sample.described, COLOUR_NAMES)
    right = float(named == sample.removed)
    return {"named": [right], "well_formed": [float(well_formed)], "answered": [right]}
