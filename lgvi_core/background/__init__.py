"""Puts back what other frames of a video show behind a removed object.

Data walks one way: frames are shrunk (`store`), the motion between neighbours is measured (`flow`)
and completed behind the object (`complete`, `pairs`, never across `cuts`); each hidden pixel walks
along that motion until a frame shows it (`propagate`); the two directions of time are joined
(`fuse`), sampled once at full size (`sample`) and matched in colour (`colour`); what no frame shows
is painted at key frames and carried along (`paint`). `stream` runs it in constant memory, `fill` is
what others call.
"""

from ..errors import LGVIError

try:
    import cv2 as _cv2  # noqa: F401
except ImportError as error:
    raise LGVIError(
        "the background from other frames needs OpenCV, which is not installed: run "
        "`pip install opencv-python-headless` in ComfyUI's Python environment"
    ) from error

from .fill import fill_background, fill_stream
from .flow import dis, raft
from .settings import BackgroundSettings, Filled, MaskedFrame

__all__ = [
    "BackgroundSettings",
    "Filled",
    "MaskedFrame",
    "dis",
    "fill_background",
    "fill_stream",
    "raft",
]
