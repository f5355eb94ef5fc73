"""LGVI Carry Mask: masks painted on a few frames, carried to all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor

MOST = 4
"""Painted masks that the node takes."""


class CarryMask(io.ComfyNode):
    """Carries painted masks along the motion of the clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_CarryMask",
            display_name="LGVI Carry Mask",
            category="LGVI",
            **search_aliases(
                "propagate mask", "track mask", "paint mask", "rotoscope", "mask tracking", "跟踪"
            ),
            description=(
                "Carries masks that were painted on a few frames to all frames of the clip, along "
                "its motion and to the edges in the picture. Between two painted frames both have "
                "their say; more of them help where the object turns or is hidden for a while."
            ),
            inputs=[
                io.Image.Input("frames", tooltip="The clip, one image per frame."),
                *(part for number in range(1, MOST + 1) for part in _painted(number)),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="One mask for each frame, 0 to 1."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, frames: Tensor, **painted: Tensor | int | None) -> io.NodeOutput:
        """Carry the masks."""
        import torch

        from ..lgvi_core.canvas import check_frames
        from .host.carry_mask import carried, gather
        from .host.progress import show_text

        check_frames(frames)
        given = gather(frames, painted, MOST)
        mask, agreement = carried(frames, given)
        told = f"{len(given)} painted, {len(frames) - len(given)} carried"
        doubtful = (torch.from_numpy(agreement) < 0.5).nonzero()[:, 0].tolist()
        if doubtful:
            told += f"\nUnsure from frame {doubtful[0]} on:\npaint that one, too."
        show_text(cls.hidden.unique_id, told)
        return io.NodeOutput(mask, ui=ui.PreviewText(told))


def _painted(number: int) -> tuple[io.Input, io.Input]:
    """Return the inputs of one painted mask and of the frame that it was painted on."""
    return (
        io.Mask.Input(
            f"mask_{number}",
            optional=number > 1,
            tooltip="A mask painted on one frame: the mask of Load Image, by its mask editor.",
        ),
        io.Int.Input(
            f"frame_{number}",
            default=0,
            min=0,
            max=1_000_000,
            optional=number > 1,
            tooltip="Number of the frame that it was painted on; the first one is 0.",
        ),
    )
