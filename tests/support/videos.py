"""Small video files, and what is in them."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

from lgvi_core.video.files import VideoReader
from lgvi_core.video.planes import (
    read_planes,
)

FRAMES = 12


def pattern(number: int, height: int, width: int, top: int) -> np.ndarray:
    """Frame `number` of a moving pattern: RGB [h, w, 3] that uses the whole range of 0 to `top`."""
    rows, columns = np.mgrid[:height, :width]
    parts = [columns / width, rows / height, (columns + 3 * number) % width / width]
    return np.stack(parts, -1) * top


def make_video(
    path: Path,
    size: tuple[int, int] = (64, 96),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Fraction = Fraction(30),
    times: list[int] | None = None,
    sound: str | None = "aac",
    frames: int = FRAMES,
    layout: str = "stereo",
    sound_rate: int = 44100,
    aspect: Fraction = Fraction(1),
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a small video; `times` are frame times in ms for a rate that is not constant."""
    height, width = size
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as output:
        output.metadata.update(metadata or {})
        video = output.add_stream(codec, rate=rate)
        video.codec_context.sample_aspect_ratio = aspect
        video.height, video.width, video.pix_fmt = height, width, pixels
        if times:
            video.codec_context.time_base = Fraction(1, 1000)
        audio = output.add_stream(sound, rate=sound_rate, layout=layout) if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(
                pattern(number, height, width, 65535).astype(np.uint16), "rgb48le"
            ).reformat(format=pixels)
            frame.pts = times[number] if times else number
            frame.time_base = Fraction(1, 1000) if times else 1 / rate
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None:
            samples = np.sin(np.arange(sound_rate) / 20).astype(np.float32)
            channels = [samples / (1 + i) for i in range(audio.layout.nb_channels)]
            tone = av.AudioFrame.from_ndarray(np.stack(channels), "fltp", layout)
            tone.sample_rate, tone.pts = sound_rate, 0
            resampler = av.AudioResampler(audio.format, layout, sound_rate)
            for part in resampler.resample(tone):
                output.mux(audio.encode(part))
            output.mux(audio.encode(None))
    return path


def write_frames(path: Path, images: Tensor) -> Path:
    """Write RGB frames [f, h, w, 3], 0 to 1, as an almost lossless video of 30 fps."""
    _, height, width, _ = images.shape
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=Fraction(30), options={"crf": "4"})
        video.height, video.width, video.pix_fmt = height, width, "yuv420p"
        for image in (images * 255).round().byte().numpy():
            output.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        output.mux(video.encode(None))
    return path


def sound_of(path: Path) -> np.ndarray | None:
    with av.open(str(path)) as file:
        if not file.streams.audio:
            return None
        return np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], 1)


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        times = [float(f.pts * f.time_base) for f in file.decode(video=0)]
    return [t - times[0] for t in times]


def planes_of(path: Path) -> list[list[np.ndarray]]:
    with VideoReader(path) as reader:
        return [read_planes(frame) for frame in reader]


def with_rotation(data: bytes, quarters: int) -> bytes:
    """The MP4 with a rotation by so many quarter turns clockwise in its track header."""
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    start = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    return data[:start] + matrix + data[start + len(matrix) :]
