"""Files behind ComfyUI's VIDEO, and places for new ones."""

import io
import uuid
from pathlib import Path

import folder_paths


def source_of(video) -> str | io.BytesIO:
    """What to read a VIDEO from: its file, or what it would save where it is cut or made."""
    trimmed = getattr(video, "get_active_trim_window", None)
    if trimmed is None or not any(trimmed()):
        return video.get_stream_source()
    buffer = io.BytesIO()
    video.save_to(buffer)
    buffer.seek(0)
    return buffer


def new_file() -> Path:
    """A path for an MP4 among ComfyUI's temporary files."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"lgvi_{uuid.uuid4().hex}.mp4"
