"""LGVI for ComfyUI: language-driven removal of objects from video."""

from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import ComfyExtension

# ComfyUI serves this folder; its page finds a node's help in docs/ by the node's id.
WEB_DIRECTORY = "./web"

for kind in ("lgvi", "lgvi_chat"):
    folder_paths.add_model_folder_path(kind, str(Path(folder_paths.models_dir) / kind))


async def comfy_entrypoint() -> ComfyExtension:
    """Return the pack's nodes, and bring the templates' clip; ComfyUI calls this when it starts."""
    from .nodes import LGVIExtension
    from .nodes.host.sample_clip import provide_sample_clip

    # The extension's own on_load would be the place, but 0.3.75 does not call it.
    provide_sample_clip(Path(folder_paths.get_input_directory()))
    return LGVIExtension()
