"""LGVI Mask Preview: draws the mask over the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io

from .inputs import MASK_INPUTS

if TYPE_CHECKING:
    from torch import Tensor


class MaskPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_MaskPreview",
            display_name="LGVI Mask Preview",
            category="LGVI",
            description=(
                "Draws the mask over the frames: a tint where the result will be used, an outline "
                "around it. Shows what threshold, grow and feather of LGVI Composite will do."
            ),
            inputs=[
                io.Image.Input("frames", tooltip="The clip to draw on."),
                io.Mask.Input("mask", tooltip="One mask per frame, or a single one for all."),
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
                io.Image.Input(
                    "result",
                    optional=True,
                    tooltip=(
                        "The decoded frames of LGVI Sampler, by which an automatic margin is that "
                        "of LGVI Composite. Leave it open for a mask from elsewhere."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="overlay", tooltip="The frames with the mask.")],
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
        result: Tensor | None = None,
    ) -> io.NodeOutput:
        from ..lgvi_core.canvas import check_frames, locate
        from ..lgvi_core.masks import check_mask, overlay, soft_mask
        from ..lgvi_core.settings import MaskSettings
        from .host.memory import FEWER_FRAMES, advice_when_out_of_memory

        check_frames(frames)
        size = (frames.shape[1], frames.shape[2])
        check_mask(mask, len(frames), {size})
        cell = None
        if result is not None:
            check_frames(result, "result")
            cell = locate(size, (result.shape[1], result.shape[2])).cell
        with advice_when_out_of_memory(FEWER_FRAMES):
            opacity = soft_mask(mask, MaskSettings(threshold, grow, feather), cell)
            return io.NodeOutput(overlay(frames, opacity, (1.0, 0.15, 0.15), tint, outline))
