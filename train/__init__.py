"""Training of LGVI: data, autoencoder, U-Net and text model. Imports lgvi_core, never ComfyUI."""
