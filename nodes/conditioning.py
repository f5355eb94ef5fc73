"""LGVI Video Conditioning: the source clip as condition, in the three branches of guidance."""

from comfy_api.v0_0_2 import io

FIT_KEY = "lgvi_source_size"
"""Key of a LATENT that remembers the source frames' (height, width)."""

TEXT_INPUTS: tuple[io.Input, ...] = (
    io.Conditioning.Input(
        "positive",
        tooltip=(
            "What to remove: 'remove the red ball' by CLIPTextEncode, or the "
            "conditioning of LGVI Chat."
        ),
    ),
    io.Conditioning.Input(
        "negative",
        optional=True,
        tooltip=(
            "The encoding of an empty sentence. Leave it open with the conditioning "
            "of LGVI Chat, whose counterpart is zeros."
        ),
    ),
)
WORKING_SIZE = io.Int.Input(
    "working_size",
    default=512,
    min=0,
    max=4096,
    step=8,
    tooltip=(
        "Longer side in pixels that the model works at: 512 for the official "
        "weights, 160 for lgvi-mini. 0 keeps the frames' own size."
    ),
)


class VideoConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_VideoConditioning",
            display_name="LGVI Video Conditioning",
            category="LGVI",
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
    def execute(cls, positive, vae, frames, working_size, negative=None) -> io.NodeOutput:
        import torch

        from ..lgvi_core.errors import LGVIError
        from ..lgvi_core.frames import check_frames, fit_frames, to_canvas
        from .memory import advice_when_full
        from .progress import show_text

        check_frames(frames)
        if vae is None:
            raise LGVIError("there is no VAE: this model file has none, connect Load VAE instead")
        negative = unconditional(positive, negative)
        size = (frames.shape[1], frames.shape[2])
        fit = fit_frames(size, working_size)
        show_text(cls.hidden.unique_id, fit.describe())
        with advice_when_full(f"lower working_size, or take fewer than {len(frames)} frames"):
            c_x = vae.encode(to_canvas(frames, fit))
        latent = {"samples": torch.zeros_like(c_x), FIT_KEY: size}
        return io.NodeOutput(*branches(positive, negative, c_x), latent, fit.describe())


def branches(positive, negative, c_x) -> tuple[list, list, list]:
    """The three conditionings of the guidance: text and video, video, neither.

    ``c_x`` [f, 4, h, w] are the source's latents as the VAE gives them.
    """
    import node_helpers

    with_clip = {"concat_latent_image": c_x}
    return (
        node_helpers.conditioning_set_values(positive, with_clip),
        node_helpers.conditioning_set_values(negative, with_clip),
        [[text, {k: v for k, v in o.items() if k not in with_clip}] for text, o in negative],
    )


def unconditional(positive, negative):
    """What stands for no text: the given one, or zeros for features of the MM head."""
    import torch

    from ..lgvi_core.errors import LGVIError
    from .comfy_model import FEATURES_KEY

    if not any(FEATURES_KEY in options for _, options in positive):
        if negative is None:
            raise LGVIError("negative is open: connect the CLIPTextEncode of an empty sentence")
        return negative
    if negative is not None and any(text.any() for text, _ in negative):
        raise LGVIError(
            "LGVI-I was trained with zeros in place of an empty sentence: leave negative open"
        )
    return [[torch.zeros_like(text), dict(options)] for text, options in positive]
