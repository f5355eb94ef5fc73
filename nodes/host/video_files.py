"""Files behind ComfyUI's VIDEO values, and paths for new ones."""

import io
import uuid
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import Input, InputImpl


def source_of(video: Input.Video) -> str | Path | io.BytesIO:
    """Return the file of a VIDEO; one that is trimmed or made of frames is written to a new file.

    Frames are written without loss in 8-bit YUV; ComfyUI encodes a trimmed video.
    """
    trimmed = getattr(video, "get_active_trim_window", None)
    is_whole = trimmed is None or not any(trimmed())
    if isinstance(video, InputImpl.VideoFromFile) and is_whole:
        return video.get_stream_source()
    path = new_file()
    if isinstance(video, InputImpl.VideoFromFile):
        video.save_to(str(path))
        return path
    from ...lgvi_core.video.encode import write_frames

    parts = video.get_components()
    audio = parts.audio or {"waveform": None, "sample_rate": 0}
    waveform = None if audio["waveform"] is None else audio["waveform"][0]
    write_frames(path, parts.images, parts.frame_rate, waveform, audio["sample_rate"])
    return path


def new_file() -> Path:
    """Return the path for a new MP4 file among ComfyUI's temporary files."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"lgvi_{uuid.uuid4().hex}.mp4"
