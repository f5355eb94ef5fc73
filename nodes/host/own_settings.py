"""The settings that a loaded model wants, and what a person is told about those that are used."""

from typing import Any

from ...lgvi_core.checkpoint.own_settings import OwnSettings
from ...lgvi_core.settings import SamplingSettings

ATTRIBUTE = "lgvi_own_settings"
"""Name of the attribute by which the VAE of Load LGVI carries the settings of its model."""
FAR = 2
"""Factor from which on, either way, steps and scales are far from the model's own."""
FAR_SIZE = 1.6
"""The same factor of the working size."""


def set_own_settings(vae: Any, own: OwnSettings) -> None:
    """Let a VAE carry the settings of the model that it came with."""
    setattr(vae, ATTRIBUTE, own)


def own_settings_of(vae: Any) -> OwnSettings | None:
    """Return the settings of the model that a VAE came with; None for one of another loader."""
    return getattr(vae, ATTRIBUTE, None)


def describe_sampling(used: SamplingSettings, own: OwnSettings) -> str:
    """Return lines for the person: what was used, and which of it is far from the model's own."""
    is_own = used == SamplingSettings(used.seed).complete(own)
    count = "1 step" if used.steps == 1 else f"{used.steps} steps"
    lines = [f"{count}, scales {used.text_scale:g} and {used.video_scale:g},"]
    if (used.guidance_start, used.guidance_end) != (0, 1):
        lines.append(f"guided from {used.guidance_start:g} to {used.guidance_end:g},")
    lines.append(f"{used.sampler}, {used.scheduler}" + (": the model's own" if is_own else ""))
    pairs = {
        "steps": (used.steps, own.steps),
        "text_scale": (used.text_scale, own.text_scale),
        "video_scale": (used.video_scale, own.video_scale),
    }
    lines += [
        _far_line(name, value, wanted)
        for name, (value, wanted) in pairs.items()
        if _is_far(value, wanted, FAR)
    ]
    return "\n".join(lines)


def describe_size(canvas: tuple[int, int], own: OwnSettings) -> str:
    """Return lines where frames of `canvas` (height, width) pixels are far from the model's own.

    The text is empty where they are not.
    """
    if not _is_far(max(canvas), own.working_size, FAR_SIZE):
        return ""
    return _far_line("working_size", max(canvas), own.working_size)


def _far_line(name: str, value: float, own: float) -> str:
    # The page breaks longer lines inside of words.
    return f"{name} {value:g} is far from\nthe model's own {own:g}: -1 takes that."


def _is_far(value: float, own: float, factor: float) -> bool:
    low, high = sorted((value, own))
    return high > low * factor
