"""LGVI Video Conditioning: makes the guidance's three conditions from sentence and source video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .inputs import TEXT_INPUTS, WORKING_SIZE
from .search import search_aliases

if TYPE_CHECKING:
    from comfy.sd import VAE
    from torch import Tensor

    from .host.conditioning import Conditioning


class VideoConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_VideoConditioning",
            display_name="LGVI Video Conditioning",
            category="LGVI",
            **search_aliases(
                "inpaint video",
                "video inpainting",
                "remove object",
                "erase",
                "InstructPix2Pix conditioning",
                "消除",
            ),
            description=(
                "Encodes the source clip and attaches it to the sentence. Frames of any size are "
                "resized and padded without stretching; LGVI Composite brings the result back to "
                "the source's size."
            ),
            inputs=[
                *TEXT_INPUTS,
                io.Vae.Input("vae", tooltip="The VAE of Load LGVI."),
                io.Image.Input("frames", tooltip="The source clip, one image per frame."),
                WORKING_SIZE,
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="text_video", tooltip="Sentence and clip: cond1 of DualCFGGuider."
                ),
                io.Conditioning.Output(
                    display_name="video", tooltip="Clip without sentence: cond2 of DualCFGGuider."
                ),
                io.Conditioning.Output(
                    display_name="unconditional", tooltip="Neither: negative of DualCFGGuider."
                ),
                io.Latent.Output(
                    display_name="latent", tooltip="Empty latent of the clip's length and size."
                ),
                io.String.Output(display_name="fit", tooltip="What was done to the frames."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        positive: Conditioning,
        vae: VAE | None,
        frames: Tensor,
        working_size: int,
        negative: Conditioning | None = None,
    ) -> io.NodeOutput:
        import torch

        from ..lgvi_core.canvas import check_frames, fit_canvas, to_canvas
        from ..lgvi_core.checkpoint.own_settings import OwnSettings
        from ..lgvi_core.errors import LGVIError
        from .host.autoencoder import VAE_FRAMES, encode
        from .host.conditioning import SOURCE_SIZE_KEY, branches, unconditional
        from .host.memory import ENCODING, advice_when_out_of_memory
        from .host.own_settings import describe_size, own_settings_of
        from .host.progress import show_text

        check_frames(frames)
        if vae is None:
            raise LGVIError("there is no VAE: this model file has none, connect Load VAE instead")
        negative = unconditional(positive, negative)
        size = (frames.shape[1], frames.shape[2])
        own = own_settings_of(vae)
        fit = fit_canvas(size, (own or OwnSettings()).working_size_for(working_size))
        lines = [fit.describe()]
        if own is not None:
            lines.append(describe_size(fit.canvas, own))
        elif working_size < 0:
            lines.append(
                "This VAE is not of Load LGVI: the\nofficial weights' working size is taken."
            )
        told = "\n".join(filter(None, lines))
        show_text(cls.hidden.unique_id, told)
        with advice_when_out_of_memory(ENCODING.format(frames=len(frames))):
            parts = [encode(vae, to_canvas(part, fit)) for part in frames.split(VAE_FRAMES)]
            c_x = torch.cat(parts)
        latent = {"samples": torch.zeros_like(c_x), SOURCE_SIZE_KEY: size}
        conditions = branches(positive, negative, c_x)
        return io.NodeOutput(*conditions, latent, fit.describe(), ui=ui.PreviewText(told))
