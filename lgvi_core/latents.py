"""The numbers that every Stable Diffusion 1.5 latent obeys, in one place."""

LATENT_PIXELS = 8
"""Pixels of a frame along one side of a latent pixel: every VAE here downsamples by it."""
LATENT_CHANNELS = 4
SD15_SCALING_FACTOR = 0.18215
"""What Stable Diffusion 1.5's latents are multiplied by before the U-Net sees them."""
