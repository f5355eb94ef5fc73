"""LGVI Mask Preview: draws the mask over the frames, and plays them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io

from .inputs import MASK_INPUTS
from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor


RED = (1.0, 0.15, 0.15)


class MaskPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_MaskPreview",
            display_name="LGVI Mask Preview",
            category="LGVI",
            **search_aliases("show mask", "mask overlay", "preview mask", "遮罩预览"),
            description=(
                "Draws the mask over the frames: a tint where the result will be used, an outline "
                "around it, and plays them on the node. Connect the opacity of LGVI Composite or "
                "LGVI Background From Frames to mask and switch as_it_is on: then those nodes' "
                "threshold, grow and feather are shown, and need not be set here."
            ),
            inputs=[
                io.Image.Input("frames", tooltip="The clip to draw on."),
                io.Mask.Input(
                    "mask",
                    tooltip=(
                        "A mask, or the opacity of LGVI Composite or LGVI Background From Frames. "
                        "One per frame, or a single one for all."
                    ),
                ),
                *MASK_INPUTS,
                io.Float.Input(
                    "tint",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Strength of the red tint.",
                ),
                io.Int.Input(
                    "outline",
                    default=1,
                    min=0,
                    max=32,
                    tooltip="Width of the outline in pixels; 0 draws none.",
                ),
                io.Boolean.Input(
                    "as_it_is",
                    default=False,
                    optional=True,
                    tooltip=(
                        "On for an opacity: it is drawn as it is, and threshold, grow and feather "
                        "of this node do nothing."
                    ),
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=0.01,
                    max=1000.0,
                    step=0.01,
                    optional=True,
                    tooltip="Frames a second at which the clip is played here.",
                ),
            ],
            outputs=[io.Image.Output(display_name="overlay", tooltip="The frames with the mask.")],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        frames: Tensor,
        mask: Tensor,
        threshold: float,
        grow: int,
        feather: int,
        tint: float,
        outline: int,
        as_it_is: bool = False,
        fps: float = 24.0,
    ) -> io.NodeOutput:
        from ..lgvi_core.canvas import check_frames
        from ..lgvi_core.masks import check_mask, overlay, soft_mask
        from ..lgvi_core.settings import MaskSettings
        from .host.cancel import stop_if_cancelled
        from .host.memory import FEWER_FRAMES, advice_when_out_of_memory
        from .host.player import player

        check_frames(frames)
        check_mask(mask, len(frames), {(frames.shape[1], frames.shape[2])})
        with advice_when_out_of_memory(FEWER_FRAMES):
            opacity = mask
            if not as_it_is:
                settings = MaskSettings(threshold, grow, feather)
                opacity = soft_mask(mask, settings, watch=stop_if_cancelled)
            drawn = overlay(frames, opacity, RED, tint, outline, stop_if_cancelled)
            return io.NodeOutput(drawn, ui=player(drawn, fps))
