"""The method: inflated U-Net, checkpoints, pipeline, frames and masks. Imports no ComfyUI.

Modules are imported by name (``from lgvi_core.unet import InflatedUNet``); this file imports
nothing, so that a host application pays for torch and diffusers only when a model is used.
"""
