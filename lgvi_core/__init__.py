"""The inpainting method: inflated U-Net, checkpoints, pipeline, frames and masks. No ComfyUI.

Import modules by name (`from lgvi_core.unet.unet import InflatedUNet`); this file imports nothing,
so that a host application loads torch and diffusers only when it uses a model.
"""
