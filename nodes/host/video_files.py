"""Files behind ComfyUI's VIDEO values, and files of our own among ComfyUI's temporary ones.

Those are deleted when nothing refers to them any more. A VIDEO hands its path on to those that are
made of it, so the path itself is what keeps the file.
"""

import io
import uuid
import weakref
from contextlib import suppress
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import Input, InputImpl

SUBFOLDER = "lgvi"
"""Folder of our files in ComfyUI's temporary folder."""


class KeptPath(str):
    """Path of a temporary file, which is deleted with the last reference to the path."""

    __slots__ = ("__weakref__",)

    @classmethod
    def of(cls, path: Path, kept_as: str | None = None) -> "KeptPath":
        """Return a text that keeps the file at `path`: the path itself, or `kept_as`."""
        kept = cls(str(path) if kept_as is None else kept_as)
        weakref.finalize(kept, _delete, str(path))
        return kept


def source_of(video: Input.Video) -> str | Path | io.BytesIO:
    """Return the file of a VIDEO; one that is trimmed or made of frames is written to a new file.

    Frames are written without loss in 8-bit YUV; ComfyUI encodes a trimmed video. A new file lives
    as long as the path that is returned.
    """
    trimmed = getattr(video, "get_active_trim_window", None)
    is_whole = trimmed is None or not any(trimmed())
    if isinstance(video, InputImpl.VideoFromFile) and is_whole:
        return video.get_stream_source()
    path = new_file()
    kept = KeptPath.of(path)
    if isinstance(video, InputImpl.VideoFromFile):
        video.save_to(str(path))
        return kept
    from ...lgvi_core.video.encode import write_frames
    from .cancel import stop_if_cancelled

    parts = video.get_components()
    audio = parts.audio or {"waveform": None, "sample_rate": 0}
    waveform = None if audio["waveform"] is None else audio["waveform"][0]
    rate = audio["sample_rate"]
    write_frames(path, parts.images, parts.frame_rate, waveform, rate, watch=stop_if_cancelled)
    return kept


def new_file() -> Path:
    """Return the path for a new MP4 file among ComfyUI's temporary files."""
    folder = Path(folder_paths.get_temp_directory()) / SUBFOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{uuid.uuid4().hex}.mp4"


def video_of(path: Path) -> Input.Video:
    """Return a VIDEO of a new file, which is deleted when no VIDEO needs it any more."""
    return InputImpl.VideoFromFile(KeptPath.of(path))


def _delete(path: str) -> None:
    # On Windows, a file that is open cannot be deleted; ComfyUI empties the folder at its start.
    with suppress(OSError):
        Path(path).unlink()
