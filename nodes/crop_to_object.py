"""LGVI Crop To Object: crops of all frames that follow what a mask marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .inputs import CROP
from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor


class CropToObject(io.ComfyNode):
    """Cuts a part of each frame that follows an object."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_CropToObject",
            display_name="LGVI Crop To Object",
            category="LGVI",
            **search_aliases("inpaint crop", "crop and stitch", "crop", "zoom", "裁剪"),
            description=(
                "Cuts the same size out of every frame, around what the mask marks, so that a "
                "small object is worked on in full detail. LGVI Stitch Crop lays the result back."
            ),
            inputs=[
                io.Image.Input("frames", tooltip="The source clip, one image per frame."),
                io.Mask.Input(
                    "mask",
                    tooltip=(
                        "Where the object is: from LGVI Find Object, painted, or of any "
                        "segmentation node. Frames without it take the place between those with it."
                    ),
                ),
                io.Float.Input(
                    "margin",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.1,
                    tooltip=(
                        "Surroundings on each side, in sizes of the object. Around a large object "
                        "the whole frame is taken."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The crops, one per frame."),
                CROP.Output(display_name="crop", tooltip="For LGVI Stitch Crop."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, frames: Tensor, mask: Tensor, margin: float) -> io.NodeOutput:
        """Cut the frames."""
        from ..lgvi_core.canvas import check_frames
        from ..lgvi_core.crops import boxes_of, follow
        from ..lgvi_core.masks import check_mask
        from .host.progress import show_text

        check_frames(frames)
        size = (frames.shape[1], frames.shape[2])
        check_mask(mask, len(frames), {size})
        boxes = boxes_of(mask, size)
        if len(mask) == 1 and boxes:
            boxes = dict.fromkeys(range(len(frames)), boxes[0])
        crops = follow(boxes, len(frames), size, margin)
        told = crops.describe()
        show_text(cls.hidden.unique_id, told)
        return io.NodeOutput(crops.cut(frames), crops, ui=ui.PreviewText(told))
