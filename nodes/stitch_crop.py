"""LGVI Stitch Crop: what was made of the crops, in its place in the whole frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io

from .inputs import CROP
from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor

    from ..lgvi_core.crops import Crops


class StitchCrop(io.ComfyNode):
    """Lays frames and mask of crops back where they were cut."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_StitchCrop",
            display_name="LGVI Stitch Crop",
            category="LGVI",
            **search_aliases("inpaint stitch", "crop and stitch", "uncrop", "paste", "拼回"),
            description=(
                "Lays what was painted, and its mask, back into frames of the source's size: the "
                "painting and the mask for LGVI Background From Frames or LGVI Composite."
            ),
            inputs=[
                CROP.Input("crop", tooltip="From LGVI Crop To Object."),
                io.Image.Input("source", tooltip="The clip that was cropped."),
                io.Image.Input("painting", tooltip="The decoded frames of the crops."),
                io.Mask.Input("mask", tooltip="The mask of LGVI Sampler, of the crops."),
            ],
            outputs=[
                io.Image.Output(
                    display_name="painting", tooltip="The source with the crops laid over it."
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip=(
                        "The mask in the source's size, 0 around the crop, and wider by what the "
                        "model's cells need."
                    ),
                ),
            ],
        )

    @classmethod
    def execute(cls, crop: Crops, source: Tensor, painting: Tensor, mask: Tensor) -> io.NodeOutput:
        """Lay them back."""
        from ..lgvi_core.canvas import check_frames, from_canvas, locate
        from ..lgvi_core.errors import LGVIError
        from ..lgvi_core.masks import check_mask, widened
        from ..lgvi_core.settings import missing_margin

        check_frames(source, "source")
        check_frames(painting, "painting")
        crop.check(source)
        if len(painting) != len(source):
            raise LGVIError(
                f"source has {len(source)} frames, painting {len(painting)}: connect the same clip"
            )
        canvas = (painting.shape[1], painting.shape[2])
        fit = locate(crop.size, canvas)
        check_mask(mask, len(source), {crop.size, canvas})
        if tuple(mask.shape[1:]) != crop.size:
            mask = from_canvas(mask[..., None], fit)[..., 0]
        # The nodes behind see a painting of the source's size, and cannot know the cells' size.
        mask = widened(mask, missing_margin(fit.cell, crop.source))
        laid = crop.put(from_canvas(painting, fit), onto=source)
        if len(mask) == 1:
            mask = mask.expand(len(source), -1, -1)
        return io.NodeOutput(laid, crop.put(mask, onto=mask.new_zeros(source.shape[:3])))
