"""The measures: their keys in results.json, their titles, and which direction is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """Description of a measure, for the tables.

    `title` heads its column, `better` is up or down, `digits` are decimal places, and a `share` is
    a mean of zeros and ones.
    """

    title: str
    better: str
    meaning: str
    digits: int = 3
    share: bool = False


_EWARP = (
    "mean squared difference of each frame and the next one warped to it by the target's optical "
    "flow, where nothing is occluded (Lai et al. 2018)"
)


def _frames() -> dict[str, Measure]:
    kinds = {
        "psnr": ("PSNR", "up", "dB, mean of the frames, at most 60 each", 2),
        "ssim": ("SSIM", "up", "Gaussian window of 11 pixels, as Wang et al. 2004", 3),
        "ewarp": ("E_warp x10^-2", "down", _EWARP, 3),
    }
    found = {}
    for variant, words in (("", ""), ("_composited", " composited")):
        for key, (title, better, meaning, digits) in kinds.items():
            for area in ("", "_inside", "_outside"):
                where = area.replace("_", " ")
                note = f"{meaning}{' of the composited result' if variant else ''}"
                if area:
                    note += f", {where.strip()} the dilated mask of what goes"
                found[key + area + variant] = Measure(
                    f"{title}{where}{words}", better, note, digits
                )
    return found


_BACKGROUND = "composited with the background that other frames show"


def _background() -> dict[str, Measure]:
    return {
        "visible_background": Measure(
            "visible, background", "up", f"visible removal, {_BACKGROUND}", share=True
        ),
        "clean_background": Measure(
            "clean, background", "up", f"clean removal, {_BACKGROUND}", share=True
        ),
        "two_objects_background": Measure(
            "two objects gone, background", "up", f"two objects gone, {_BACKGROUND}", share=True
        ),
        "damage_background": Measure(
            "damage, background", "down", f"damage composited, {_BACKGROUND}", share=True
        ),
        "shows_background": Measure(
            "frames in which it shows, background",
            "down",
            f"frames in which it shows, {_BACKGROUND}",
        ),
        "changed_background": Measure(
            "pixels changed, background", "down", f"pixels changed, {_BACKGROUND}", 4
        ),
        "untouched_background": Measure(
            "left as it was, background", "up", f"left as it was, {_BACKGROUND}", share=True
        ),
        "psnr_background": Measure("PSNR background", "up", f"dB, {_BACKGROUND}", 2),
        "psnr_inside_background": Measure(
            "PSNR inside background",
            "up",
            f"dB inside the dilated mask of what goes, {_BACKGROUND}",
            2,
        ),
        "psnr_gain_background": Measure(
            "PSNR background, above the source", "up", f"dB, {_BACKGROUND}", 2
        ),
    }


MEASURES: dict[str, Measure] = {
    **_frames(),
    **_background(),
    "psnr_gain": Measure(
        "PSNR composited, above the source",
        "up",
        "dB that the composited result is nearer to the target than the unchanged source",
        2,
    ),
    "vfid": Measure(
        "VFID",
        "down",
        "Frechet distance of all clips' features to the targets', hence without error",
    ),
    "iou": Measure(
        "mask IoU", "up", "predicted mask from .5 on; clips in which something is to go"
    ),
    "right": Measure(
        "right object",
        "up",
        "share of scenes with something to remove in which the predicted mask covers at least "
        "half of every object to go and at most half of every other",
        share=True,
    ),
    "twins": Measure(
        "twins by place", "up", 'right object, on sentences of "name and place"', share=True
    ),
    "visible": Measure(
        "visible removal",
        "up",
        "share of objects to go for which ||out - target|| is below .5 of ||source - target||, "
        "on the object's dilated mask",
        share=True,
    ),
    "clean": Measure("clean removal", "up", "the same, below .25", share=True),
    "two_objects": Measure(
        "two objects gone", "up", 'share of "two objects" scenes with both visibly gone', share=True
    ),
    "absent": Measure(
        "absent left alone",
        "up",
        "share of scenes with nothing to remove in which less than 2 % of the pixels are in the "
        "predicted mask",
        share=True,
    ),
    "shows": Measure(
        "frames in which it shows",
        "down",
        "share of frames in which an object to go is not visibly removed",
    ),
    "changed": Measure(
        "pixels changed",
        "down",
        "share of pixels of the composited result that differ from the source, where nothing is to "
        "go",
        4,
    ),
    "untouched": Measure(
        "left as it was",
        "up",
        "share of scenes with nothing to remove of whose pixels at most 1 % are changed",
        share=True,
    ),
    "loss": Measure(
        "loss against canonical words",
        "down",
        "right object with the canonical sentence for the same scene, minus right object with this "
        "one",
    ),
    "damage": Measure(
        "damage",
        "down",
        "share of scenes with a kept object for which ||out - VAE(target)|| exceeds .5 of "
        "||target without it - target|| for any kept object, on its dilated mask",
        share=True,
    ),
    "damage_composited": Measure(
        "damage composited", "down", "the same of ||composited - target||", share=True
    ),
    "named": Measure(
        "right objects named",
        "up",
        "share of conversations with something to remove whose prompt names exactly what is to go",
        share=True,
    ),
    "well_formed": Measure(
        "well-formed prompts",
        "up",
        "share of the same with one prompt between its marks, in the words of the sentences",
        share=True,
    ),
    "answered": Measure(
        "right replies",
        "up",
        "share of conversations whose reply names exactly what is to go, or has no prompt where "
        "nothing is",
        share=True,
    ),
    "silent": Measure(
        "no prompt where none is due",
        "up",
        "share of conversations with nothing to remove whose reply has no prompt",
        share=True,
    ),
}
"""All measures, by their key in results.json."""
