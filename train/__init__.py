"""Training, evaluation and export of LGVI's models. Imports `lgvi_core`, never ComfyUI."""
