"""Constants of Stable Diffusion 1.5's latent space."""

LATENT_PIXELS = 8
"""Downsampling factor of the VAE: frame pixels per latent pixel, along height and width."""
LATENT_CHANNELS = 4
SD15_SCALING_FACTOR = 0.18215
"""Factor by which the VAE's latents are multiplied before the U-Net sees them."""
