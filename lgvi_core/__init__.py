"""The inpainting method itself, which works without ComfyUI: U-Net, checkpoints, frames, masks.

Import modules by name (`from lgvi_core.unet.unet import InflatedUNet`); this file imports nothing,
so that a host application loads torch and diffusers only when it uses a model.
"""
