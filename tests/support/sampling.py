"""Sampling in ComfyUI with latents of one small size."""

from lgvi_core.settings import SamplingSettings

FRAMES, HEIGHT, WIDTH = 5, 8, 12
"""Shape of the latents."""


def run(comfy, model, conditionings, scales=(3.0, 1.5), steps=6, seed=7):
    """Sample with the euler method; return the latents and the mask."""
    conds, latent = conditionings
    sampled, mask = comfy.sampling.sample_with_mask(
        model,
        conds,
        {"samples": latent},
        SamplingSettings(seed, steps, *scales, sampler="euler", scheduler="normal"),
        source_size=None,
    )
    return sampled["samples"], mask
