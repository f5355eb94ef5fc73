"""The background from other frames in ComfyUI: with its progress bar, and ended by its cancel."""

import comfy.model_management
import comfy.utils
from torch import Tensor

from ...lgvi_core.background import BackgroundSettings, Filled, fill_background

ADVISE_FROM = 0.05
"""Share of the mask that has to be painted before the person is advised to connect a painting."""


def fill(source: Tensor, opacity: Tensor, painting: Tensor | None, reach: int) -> Filled:
    """Return the frames [f, h, w, 3] without what `opacity` covers, and what of it was painted.

    `source` and `painting` are [f, h, w, 3], 0 to 1, and `opacity` is [f or 1, h, w], 0 to 1.
    `reach` is how many frames away the background may come from.
    """
    bar = comfy.utils.ProgressBar(len(source))

    def watch(done: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done)

    return fill_background(source, opacity, painting, BackgroundSettings(reach=reach), watch)


def describe_fill(opacity: Tensor, unseen: Tensor, has_painting: bool) -> str:
    """Return a text for the person: how much other frames showed, and what became of the rest.

    `opacity` and `unseen` are [f or 1, h, w] and [f, h, w], 0 to 1. The lines are short, because
    the page breaks longer ones inside of words.
    """
    masked = (opacity > 0).expand(unseen.shape)
    total = int(masked.sum())
    if not total:
        return "The mask is empty: nothing was changed."
    painted = float(unseen[masked].sum()) / total
    source = "painted" if has_painting else "filled from around it"
    lines = [f"{1 - painted:.0%} comes from other frames,", f"{painted:.0%} was {source}."]
    if painted > ADVISE_FROM and not has_painting:
        lines += [
            "For a better fill, connect the",
            "decoded frames of LGVI Sampler",
            "as painting.",
        ]
    return "\n".join(lines)
