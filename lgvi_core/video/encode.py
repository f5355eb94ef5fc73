"""Writing of images to a new video file, for code that reads video from files."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange
from torch import Tensor

from ..canvas import Watch, nothing
from ..errors import LGVIError
from .colour import BT709
from .files import add_aac_track
from .output import frame_rate, mp4_file
from .planes import rgb_to_frame

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""FFmpeg's names of audio channel layouts, by the number of channels."""


def write_frames(
    path: Path,
    images: Tensor,
    fps: Fraction,
    audio: Tensor | None = None,
    rate: int = 0,
    crf: int = 0,
    preset: str = "medium",
    watch: Watch = nothing,
) -> None:
    """Write an MP4 file in 8-bit YUV: 4:2:0, or 4:4:4 where a side is odd.

    `crf` is H.264's quality, 0 to 51; 0 loses nothing, and `preset` is x264's for others: how much
    time it takes. `watch` is called before every frame, and may raise to stop.
    `images` are [n, h, w, 3 or 4], 0 to 1; alpha is dropped. `audio` is [channels, samples],
    -1 to 1, at `rate` Hz. Raises LGVIError for no frames, for a rate that is none, for sound that
    is not finite or has a number of channels that is not in `LAYOUTS`, and where the file cannot be
    written; it is deleted then.
    """
    quality = {"crf": str(crf), "preset": preset} if crf else {"preset": "ultrafast", "qp": "0"}
    if not len(images):
        raise LGVIError("the video holds no frames")
    if audio is not None and not bool(torch.isfinite(audio).all()):
        raise LGVIError("the sound holds NaN or infinite samples; check the node it comes from")
    rate_of_frames = frame_rate(fps)
    height, width = images.shape[1:3]
    name = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    with mp4_file(path) as output:
        stream: Any = output.add_stream("libx264", rate=rate_of_frames, options=quality)
        stream.height, stream.width, stream.pix_fmt = height, width, name
        context = stream.codec_context
        context.colorspace, context.color_range = BT709, ColorRange.MPEG
        track = None
        if audio is not None and audio.shape[-1]:
            track = add_aac_track(output, rate, _layout(len(audio)))
        for number, image in enumerate(images):
            watch()
            pixels = image[..., :3].clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
            frame = rgb_to_frame(pixels, name)
            frame.pts, frame.time_base = number, 1 / rate_of_frames
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if track is not None:
            assert audio is not None
            samples = np.ascontiguousarray(audio.float().cpu().numpy())
            tone = av.AudioFrame.from_ndarray(samples, "fltp", _layout(len(audio)))
            tone.sample_rate, tone.pts = rate, 0
            output.mux(track.encode(tone))
            output.mux(track.encode())


def _layout(channels: int) -> str:
    if channels not in LAYOUTS:
        known = ", ".join(map(str, LAYOUTS))
        raise LGVIError(f"sound of {channels} channels has no place in a file: give it {known}")
    return LAYOUTS[channels]
