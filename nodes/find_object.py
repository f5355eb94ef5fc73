"""LGVI Find Object: a first look that finds an object, however small it is in the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io, ui

from .inputs import TEXT_INPUTS, WORKING_SIZE
from .search import search_aliases

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from comfy.sd import VAE
    from torch import Tensor

    from .host.conditioning import Conditioning


class FindObject(io.ComfyNode):
    """Looks at some frames, in larger sizes where it has to, and marks where the object is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_FindObject",
            display_name="LGVI Find Object",
            category="LGVI",
            **search_aliases("detect", "locate", "small object", "text to mask", "查找"),
            description=(
                "Finds where the named object is, by a look at some of the frames. One that is too "
                "small for the size that the model works at is looked for in larger sizes. The "
                "mask is rough: it is meant for LGVI Crop To Object."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The MODEL of Load LGVI."),
                *TEXT_INPUTS,
                io.Vae.Input("vae", tooltip="The VAE of Load LGVI."),
                io.Image.Input("frames", tooltip="The source clip, one image per frame."),
                io.Int.Input(
                    "every",
                    default=4,
                    min=1,
                    max=1000,
                    tooltip=(
                        "Distance of the frames that are looked at. In the frames between, the "
                        "place is taken from those around."
                    ),
                ),
                WORKING_SIZE,
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask",
                    tooltip="A box around the object in each frame that shows it.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        positive: Conditioning,
        vae: VAE | None,
        frames: Tensor,
        every: int,
        working_size: int,
        negative: Conditioning | None = None,
    ) -> io.NodeOutput:
        """Find the object."""
        from ..lgvi_core.canvas import check_frames
        from ..lgvi_core.errors import LGVIError
        from .host.conditioning import unconditional
        from .host.find_object import find
        from .host.memory import SAMPLING, advice_when_out_of_memory
        from .host.progress import show_text

        check_frames(frames)
        if vae is None:
            raise LGVIError("there is no VAE: this model file has none, connect Load VAE instead")
        text: tuple[Any, Any] = (positive, unconditional(positive, negative))
        with advice_when_out_of_memory(SAMPLING):
            mask, told = find(model, vae, text, frames, every, working_size)
        show_text(cls.hidden.unique_id, told)
        return io.NodeOutput(mask, ui=ui.PreviewText(told))
