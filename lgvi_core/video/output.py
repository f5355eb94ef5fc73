"""MP4 files that are being written: whole in the end, or not there at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from ..errors import LGVIError

FASTEST = 1000
"""Most frames per second that a file is written with."""
FINEST = 1001
"""Greatest denominator of a frame rate: that of NTSC's rates, such as 30000/1001."""


def frame_rate(fps: float | Fraction) -> Fraction:
    """Return the frame rate that a file can hold, which is next to `fps`.

    Raises LGVIError for what is no rate: NaN, 0 or less, and more than 1000 frames per second.
    """
    if not 1 / FINEST <= fps <= FASTEST:
        raise LGVIError(
            f"{float(fps):g} frames per second is no rate that a video file can have: give it "
            f"more than 0, and {FASTEST} at most"
        )
    return Fraction(fps).limit_denominator(FINEST)


@contextmanager
def mp4_file(path: Path, options: dict[str, str] | None = None) -> Iterator[Any]:
    """Open the MP4 file `path` for writing, as a container of PyAV.

    If the block raises, the file is closed and deleted. Raises LGVIError where it cannot be
    written, on a full disk for example.
    """
    is_whole = False
    try:
        # FFmpeg keeps a file that it opened itself open after a failure; this one is ours.
        with path.open("wb") as file:
            container = av.open(file, "w", format="mp4", options=options or {})
            try:
                yield container
                container.close()
                is_whole = True
            finally:
                if not is_whole:
                    with suppress(av.FFmpegError, OSError, ValueError):
                        container.close()
    except (av.FFmpegError, OSError) as error:
        raise LGVIError(
            f"the video cannot be written to {path} ({error}): is the disk full?"
        ) from error
    finally:
        if not is_whole:
            path.unlink(missing_ok=True)
