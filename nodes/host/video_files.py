"""Files behind ComfyUI's VIDEO, and places for new ones."""

import io
import uuid
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import InputImpl


def source_of(video) -> str | Path | io.BytesIO:
    """What to read a VIDEO from: its file, or a new one where it is cut, or made of frames.

    Frames go into the new file without another loss; a cut video is encoded by ComfyUI.
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
    sound = parts.audio or {"waveform": None, "sample_rate": 0}
    waveform = None if sound["waveform"] is None else sound["waveform"][0]
    write_frames(path, parts.images, parts.frame_rate, waveform, sound["sample_rate"])
    return path


def new_file() -> Path:
    """A path for an MP4 among ComfyUI's temporary files."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"lgvi_{uuid.uuid4().hex}.mp4"
