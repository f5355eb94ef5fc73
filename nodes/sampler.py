"""LGVI Sampler: guided sampling of the video and its mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io, ui

from .inputs import interval_inputs, sampling_inputs
from .search import search_aliases

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from .host.conditioning import Conditioning
    from .host.sampling import Latent


class Sampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_Sampler",
            display_name="LGVI Sampler",
            category="LGVI",
            **search_aliases(
                "inpaint video",
                "video inpainting",
                "remove object",
                "delete object",
                "erase",
                "KSampler",
                "消除",
            ),
            description=(
                "Samples the clip without the named object, and the mask of where it was. The "
                "same seed gives the same latents as DualCFGGuider with SamplerCustomAdvanced."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The MODEL of Load LGVI, with LoRAs as you like."),
                io.Conditioning.Input(
                    "text_video", tooltip="From LGVI Video Conditioning: sentence and clip."
                ),
                io.Conditioning.Input(
                    "video", tooltip="From LGVI Video Conditioning: clip without sentence."
                ),
                io.Conditioning.Input(
                    "unconditional", tooltip="From LGVI Video Conditioning: neither."
                ),
                io.Latent.Input("latent", tooltip="From LGVI Video Conditioning."),
                *sampling_inputs(),
                *interval_inputs(),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent", tooltip="The clip without the object, for VAEDecode."
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="Where the object was, in the source frames' size, 0 to 1.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        text_video: Conditioning,
        video: Conditioning,
        unconditional: Conditioning,
        latent: Latent,
        **settings: Any,
    ) -> io.NodeOutput:
        import torch

        from ..lgvi_core.settings import SamplingSettings
        from .host.conditioning import SOURCE_SIZE_KEY
        from .host.mask_report import MaskReport
        from .host.memory import SAMPLING, advice_when_out_of_memory
        from .host.own_settings import describe_sampling, describe_size
        from .host.progress import show_text
        from .host.sampling import own_settings, pixel_size, sample_with_mask, why_no_mask

        own = own_settings(model)
        sampling = SamplingSettings(**settings).complete(own)
        lines = [describe_sampling(sampling, own)]
        with advice_when_out_of_memory(SAMPLING):
            sampled, mask = sample_with_mask(
                model,
                (text_video, video, unconditional),
                latent,
                sampling,
                source_size=latent.get(SOURCE_SIZE_KEY),
            )
        canvas = pixel_size(sampled["samples"])
        lines.append(describe_size(canvas, own))
        if mask is None:
            lines.append(
                f"{why_no_mask(model, sampling)} The mask covers everything; connect one of "
                "your own to LGVI Composite."
            )
            mask = torch.ones(len(sampled["samples"]), *(latent.get(SOURCE_SIZE_KEY) or canvas))
        else:
            report = MaskReport()
            report.add(mask)
            lines.append(report.advice())
        told = "\n".join(filter(None, lines))
        show_text(cls.hidden.unique_id, told)
        return io.NodeOutput(sampled, mask, ui=ui.PreviewText(told))
