"""ComfyUI nodes (V3). They are thin: they check inputs, call lgvi_core, and return the result.

The node modules keep heavy imports inside their functions, so that the pack hardly slows down a
ComfyUI that never runs an LGVI graph.
"""

from comfy_api.v0_0_2 import ComfyExtension, io

from ..lgvi_core.errors import CheckpointError, LGVIError
from .background_from_frames import BackgroundFromFrames
from .carry_mask import CarryMask
from .chat import Chat
from .composite import Composite
from .context_windows import ContextWindows
from .create_video import CreateVideo
from .crop_to_object import CropToObject
from .find_object import FindObject
from .frames_from_video import FramesFromVideo
from .load_chat import LoadChat
from .load_lgvi import LoadLGVI
from .mask_preview import MaskPreview
from .remove_from_video import RemoveFromVideo
from .sampler import Sampler
from .save_example import SaveExample
from .stitch_crop import StitchCrop
from .video_conditioning import VideoConditioning
from .video_from_folder import VideoFromFolder

for _error in (LGVIError, CheckpointError):
    # ComfyUI begins an error with its class's full name; without the path of the module, the
    # person reads the message first.
    _error.__module__, _error.__qualname__ = "builtins", "LGVI"


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
            FindObject,
            CropToObject,
            StitchCrop,
            CarryMask,
            ContextWindows,
            RemoveFromVideo,
            VideoFromFolder,
            FramesFromVideo,
            CreateVideo,
            SaveExample,
            LoadChat,
            Chat,
        ]
