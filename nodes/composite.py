"""LGVI Composite: the result where the mask is, the source everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io

from .inputs import MASK_INPUTS
from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor


class Composite(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_Composite",
            display_name="LGVI Composite",
            category="LGVI",
            **search_aliases("blend", "paste back", "stitch", "merge with mask", "合成"),
            description=(
                "Brings the result back to the source's size and lays it over the source where "
                "the mask is. Everywhere else the output is the source, bit for bit; an empty "
                "mask returns the source untouched."
            ),
            inputs=[
                io.Image.Input("source", tooltip="The frames that went into the conditioning."),
                io.Image.Input("result", tooltip="The decoded frames of the sampler."),
                io.Mask.Input(
                    "mask",
                    tooltip=(
                        "The predicted mask, or any other of the source's or the result's size: "
                        "painted, or from a segmentation node. One per frame, or one for all."
                    ),
                ),
                *MASK_INPUTS,
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="Same size and count as source."),
                io.Mask.Output(display_name="opacity", tooltip="How much of the result was used."),
            ],
        )

    @classmethod
    def execute(
        cls,
        source: Tensor,
        result: Tensor,
        mask: Tensor,
        threshold: float,
        grow: int,
        feather: int,
    ) -> io.NodeOutput:
        from ..lgvi_core.canvas import check_frames, from_canvas, locate
        from ..lgvi_core.errors import LGVIError
        from ..lgvi_core.masks import check_mask, composite, soft_mask
        from ..lgvi_core.settings import MaskSettings
        from .host.cancel import stop_if_cancelled
        from .host.memory import FEWER_FRAMES, advice_when_out_of_memory

        check_frames(source, "source")
        check_frames(result, "result")
        if len(source) != len(result):
            raise LGVIError(
                f"source has {len(source)} frames, result {len(result)}: connect the same clip"
            )
        source_size = (source.shape[1], source.shape[2])
        canvas = (result.shape[1], result.shape[2])
        fit = locate(source_size, canvas)
        check_mask(mask, len(source), {source_size, canvas})
        with advice_when_out_of_memory(FEWER_FRAMES):
            if tuple(mask.shape[1:]) != source_size:
                mask = from_canvas(mask[..., None], fit, stop_if_cancelled)[..., 0]
            settings = MaskSettings(threshold, grow, feather)
            opacity = soft_mask(mask, settings, fit.cell, stop_if_cancelled)
            frames = composite(source, result, opacity, fit, stop_if_cancelled)
            return io.NodeOutput(frames, opacity)
