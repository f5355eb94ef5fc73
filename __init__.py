"""LGVI for ComfyUI: remove objects from video by saying so."""

from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import ComfyExtension

# ComfyUI serves it; the page finds each node's help in its docs/ by the node's id.
WEB_DIRECTORY = "./web"

for kind in ("lgvi", "lgvi_chat"):
    folder_paths.add_model_folder_path(kind, str(Path(folder_paths.models_dir) / kind))


async def comfy_entrypoint() -> ComfyExtension:
    """Called by ComfyUI to learn the pack's nodes."""
    from .nodes import LGVIExtension

    return LGVIExtension()
