"""ComfyUI nodes (V3). They are thin: they check inputs, call lgvi_core, and return the result.

The node modules keep heavy imports inside their functions, so that the pack hardly slows down a
ComfyUI that never runs an LGVI graph.
"""

from comfy_api.v0_0_2 import ComfyExtension, io

from .background_from_frames import BackgroundFromFrames
from .chat import Chat
from .composite import Composite
from .context_windows import ContextWindows
from .load_chat import LoadChat
from .load_lgvi import LoadLGVI
from .mask_preview import MaskPreview
from .remove_from_video import RemoveFromVideo
from .sampler import Sampler
from .video_conditioning import VideoConditioning
from .video_from_folder import VideoFromFolder


class LGVIExtension(ComfyExtension):
    """The pack's nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            LoadLGVI,
            VideoConditioning,
            Sampler,
            MaskPreview,
            Composite,
            BackgroundFromFrames,
            ContextWindows,
            RemoveFromVideo,
            VideoFromFolder,
            LoadChat,
            Chat,
        ]
