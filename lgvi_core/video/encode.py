"""Writing of images to a new video file, for code that reads video from files."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange
from torch import Tensor

from ..errors import LGVIError
from .colour import BT709
from .files import add_aac
from .planes import encoded

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""FFmpeg's names of audio channel layouts, by the number of channels."""


def write_frames(
    path: Path, images: Tensor, fps: Fraction, sound: Tensor | None = None, rate: int = 0
) -> None:
    """Write an MP4 file, lossless in 8-bit YUV: 4:2:0, or 4:4:4 where a side is odd.

    `images` are [n, h, w, 3 or 4], 0 to 1; alpha is dropped. `sound` is audio [channels, samples],
    -1 to 1, at `rate` Hz. Raises LGVIError for no frames, and for a number of audio channels that
    is not in `LAYOUTS`.
    """
    if not len(images):
        raise LGVIError("the video holds no frames")
    height, width = images.shape[1:3]
    name = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    with av.open(str(path), "w", format="mp4") as output:
        stream: Any = output.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "qp": "0"}
        )
        stream.height, stream.width, stream.pix_fmt = height, width, name
        context = stream.codec_context
        context.colorspace, context.color_range = BT709, ColorRange.MPEG
        track = None
        if sound is not None and sound.shape[-1]:
            track = add_aac(output, rate, _layout(len(sound)))
        for number, image in enumerate(images):
            pixels = image[..., :3].clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
            frame = encoded(pixels, name)
            frame.pts, frame.time_base = number, 1 / fps
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if track is not None:
            assert sound is not None
            samples = np.ascontiguousarray(sound.float().cpu().numpy())
            tone = av.AudioFrame.from_ndarray(samples, "fltp", _layout(len(sound)))
            tone.sample_rate, tone.pts = rate, 0
            output.mux(track.encode(tone))
            output.mux(track.encode())


def _layout(channels: int) -> str:
    if channels not in LAYOUTS:
        known = ", ".join(map(str, LAYOUTS))
        raise LGVIError(f"sound of {channels} channels has no place in a file: give it {known}")
    return LAYOUTS[channels]
