"""Inputs that several nodes share; their defaults are those of the settings."""

from comfy_api.v0_0_2 import io

from ..lgvi_core.settings import OWN, OWN_NAME, MaskSettings, SamplingSettings

_SAMPLING, _MASK = SamplingSettings(), MaskSettings()

CROP = io.Custom("LGVI_CROP")
"""Type of the wire from LGVI Crop To Object to LGVI Stitch Crop."""
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
    default=OWN,
    min=OWN,
    max=4096,
    tooltip=(
        "Longer side in pixels that the model works at. -1: the model's own, which it was trained "
        "at. 0 keeps the frames' own size."
    ),
)
MASK_INPUTS: tuple[io.Input, ...] = (
    io.Float.Input(
        "threshold",
        default=_MASK.threshold,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip="Mask values from here on count as the object.",
    ),
    io.Int.Input(
        "grow",
        default=_MASK.grow,
        min=-256,
        max=256,
        tooltip=(
            "Pixels that the mask is grown by; negative shrinks it. They are added to the "
            "automatic margin if feather is -1. Raise it until no rim of the object is left."
        ),
    ),
    io.Int.Input(
        "feather",
        default=_MASK.feather,
        min=OWN,
        max=256,
        tooltip=(
            "Pixels over which the grown mask fades out. -1: an automatic margin, which grows the "
            "mask and fades it out as far as the model's cells are large, in a clip of any size."
        ),
    ),
)


def reach_input(optional: bool = False) -> io.Input:
    """Return the input that says how far away in time the background may come from."""
    return io.Int.Input(
        "reach",
        default=40,
        min=1,
        max=1000,
        optional=optional,
        tooltip=(
            "How many frames away the background may come from. More show more of it, and need "
            "more memory."
        ),
    )


def sampling_inputs() -> list[io.Input]:
    """Return the inputs for SamplingSettings, for every node that samples."""
    return [
        io.Int.Input(
            "seed",
            default=_SAMPLING.seed,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="Seed of the noise: the same seed gives the same result.",
        ),
        io.Int.Input(
            "steps",
            default=_SAMPLING.steps,
            min=OWN,
            max=1000,
            tooltip="Denoising steps. -1: as many as the model wants.",
        ),
        io.Float.Input(
            "text_scale",
            default=_SAMPLING.text_scale,
            min=float(OWN),
            max=30.0,
            step=0.1,
            tooltip=(
                "How strongly the sentence counts. -1: the model's own. Raise it from there if the "
                "object stays, lower it if other things change."
            ),
        ),
        io.Float.Input(
            "video_scale",
            default=_SAMPLING.video_scale,
            min=float(OWN),
            max=30.0,
            step=0.1,
            tooltip=(
                "How strongly the source clip counts. -1: the model's own. 1.0 saves a third of "
                "the time."
            ),
        ),
        io.Combo.Input(
            "sampler",
            options=_sampler_names(),
            default=_SAMPLING.sampler,
            tooltip=(
                "The model's own, or ComfyUI's sampling method; euler is DDIM. dpm_adaptive takes "
                "as many steps as it finds necessary, often several times as many."
            ),
        ),
        io.Combo.Input(
            "scheduler",
            options=_scheduler_names(),
            default=_SAMPLING.scheduler,
            tooltip="How the steps are spread over the noise levels; the model's own, or another.",
        ),
    ]


def interval_inputs() -> list[io.Input]:
    """Return the inputs for the interval of the guidance, which stand last in every node."""
    return [
        _interval_input(
            "guidance_start",
            _SAMPLING.guidance_start,
            "Share of the denoising from which on the scales count; before it a step is one pass "
            "without guidance. -1: the model's own.",
        ),
        _interval_input(
            "guidance_end",
            _SAMPLING.guidance_end,
            "Share of the denoising up to which the scales count. 0.6 saves most of the passes of "
            "the later steps. -1: the model's own.",
        ),
    ]


def _interval_input(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(
        name,
        default=default,
        min=float(OWN),
        max=1.0,
        step=0.05,
        optional=True,
        tooltip=tooltip,
    )


def _sampler_names() -> list[str]:
    import comfy.samplers

    return [OWN_NAME, *comfy.samplers.KSampler.SAMPLERS]


def _scheduler_names() -> list[str]:
    import comfy.samplers

    return [OWN_NAME, *comfy.samplers.KSampler.SCHEDULERS]
