"""LGVI Background From Frames: what other frames show behind the mask, put back at full size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .inputs import MASK_INPUTS, reach_input
from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor


class BackgroundFromFrames(io.ComfyNode):
    """Fills a masked place with the background that other frames show, and paints the rest."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_BackgroundFromFrames",
            display_name="LGVI Background From Frames",
            category="LGVI",
            **search_aliases(
                "clean plate",
                "remove object",
                "delete object",
                "erase",
                "inpaint video",
                "video inpainting",
                "background plate",
                "object removal",
                "去除物体",
                "消除",
            ),
            description=(
                "Puts back what other frames of the clip show behind the mask: sharp, at the "
                "clip's own size, without any model. What no frame shows is taken from the "
                "painting, or filled from around it. Everything outside the mask stays as it is, "
                "bit for bit."
            ),
            inputs=[
                io.Image.Input("source", tooltip="The clip, one image per frame."),
                io.Mask.Input(
                    "mask",
                    tooltip=(
                        "What goes: predicted, painted, or from any segmentation node; with the "
                        "shadow, if that shall go too. One per frame, or one for all."
                    ),
                ),
                *MASK_INPUTS,
                reach_input(),
                io.Image.Input(
                    "painting",
                    optional=True,
                    tooltip=(
                        "The decoded frames of LGVI Sampler, for what no frame shows. Without it "
                        "that is filled from around it."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="Same size and count as source."),
                io.Mask.Output(
                    display_name="unseen", tooltip="What no frame shows and had to be painted."
                ),
                io.Mask.Output(
                    display_name="opacity", tooltip="How much was laid over the source."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        source: Tensor,
        mask: Tensor,
        threshold: float,
        grow: int,
        feather: int,
        reach: int,
        painting: Tensor | None = None,
    ) -> io.NodeOutput:
        """Fill the place that the mask covers."""
        from functools import partial

        from ..lgvi_core.canvas import check_frames, content_of, from_canvas, locate
        from ..lgvi_core.errors import LGVIError
        from ..lgvi_core.masks import check_mask, soft_mask
        from ..lgvi_core.settings import MaskSettings
        from .host.background import describe_fill, fill
        from .host.memory import FEWER_FRAMES, advice_when_out_of_memory
        from .host.progress import show_text

        check_frames(source, "source")
        size = (source.shape[1], source.shape[2])
        sizes = {size}
        canvas = size
        if painting is not None:
            check_frames(painting, "painting")
            if len(painting) != len(source):
                raise LGVIError(
                    f"source has {len(source)} frames, painting {len(painting)}: connect the "
                    "same clip"
                )
            canvas = (painting.shape[1], painting.shape[2])
            sizes.add(canvas)
        fit = locate(size, canvas)
        check_mask(mask, len(source), sizes)
        show = partial(show_text, cls.hidden.unique_id)
        with advice_when_out_of_memory(FEWER_FRAMES):
            if tuple(mask.shape[1:]) != size:
                mask = from_canvas(mask[..., None], fit)[..., 0]
            if painting is not None:
                painting = content_of(painting, fit)
            cell = None if painting is None else fit.cell
            opacity = soft_mask(mask, MaskSettings(threshold, grow, feather), cell)
            frames, unseen = fill(source, opacity, painting, reach)
        told = describe_fill(opacity, unseen, painting is not None)
        show(told)
        return io.NodeOutput(frames, unseen, opacity, ui=ui.PreviewText(told))
