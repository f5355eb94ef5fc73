"""LGVI Sampler: guided sampling with the predicted mask."""

from comfy_api.v0_0_2 import io

from .conditioning import FIT_KEY


def sampler_names() -> list[str]:
    import comfy.samplers

    return comfy.samplers.KSampler.SAMPLERS


def scheduler_names() -> list[str]:
    import comfy.samplers

    return comfy.samplers.KSampler.SCHEDULERS


def sampling_inputs() -> list[io.Input]:
    """The inputs that every node that samples has."""
    return [
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="Seed of the noise: the same seed gives the same result.",
        ),
        io.Int.Input(
            "steps",
            default=50,
            min=1,
            max=1000,
            tooltip="Denoising steps: 50 for the official weights, 10 for lgvi-mini.",
        ),
        io.Float.Input(
            "text_scale",
            default=3.0,
            min=0.0,
            max=30.0,
            step=0.1,
            tooltip=(
                "How strongly the sentence counts. Raise it if the object stays, lower it "
                "if other things change."
            ),
        ),
        io.Float.Input(
            "video_scale",
            default=1.5,
            min=0.0,
            max=30.0,
            step=0.1,
            tooltip="How strongly the source clip counts. 1.0 saves a third of the time.",
        ),
        io.Combo.Input(
            "sampler",
            options=sampler_names(),
            default="euler",
            tooltip="ComfyUI's sampling method; euler is DDIM.",
        ),
        io.Combo.Input(
            "scheduler",
            options=scheduler_names(),
            default="normal",
            tooltip="How the steps are spread over the noise levels.",
        ),
    ]


class Sampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_Sampler",
            display_name="LGVI Sampler",
            category="LGVI",
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
        model,
        text_video,
        video,
        unconditional,
        latent,
        seed,
        steps,
        text_scale,
        video_scale,
        sampler,
        scheduler,
    ) -> io.NodeOutput:
        import torch

        from .memory import advice_when_full
        from .progress import show_text
        from .sampling import pixel_size, sample_with_mask, why_no_mask

        with advice_when_full(
            "lower the length of LGVI Context Windows (put one behind Load LGVI where there is "
            "none), or working_size in LGVI Video Conditioning"
        ):
            sampled, mask = sample_with_mask(
                model,
                (text_video, video, unconditional),
                latent,
                seed,
                steps,
                (text_scale, video_scale),
                sampler,
                scheduler,
                source_size=latent.get(FIT_KEY),
            )
        if mask is None:
            show_text(
                cls.hidden.unique_id,
                f"{why_no_mask(model, sampler, steps)} The mask covers everything; connect one of "
                "your own to LGVI Composite.",
            )
            size = latent.get(FIT_KEY) or pixel_size(sampled["samples"])
            mask = torch.ones(len(sampled["samples"]), *size)
        return io.NodeOutput(sampled, mask)
