"""Reading and writing of video files frame by frame, with size, times, audio and depth kept."""

import io
import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av

from ..errors import LGVIError
from .output import FASTEST, FINEST, frame_rate, mp4_file
from .planes import PLANAR, rotate_upright

MP4_AUDIO = {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}
"""Audio codecs that are copied into an MP4 file; audio of any other is re-encoded as AAC."""
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Sample rates of AAC in Hz."""
AAC_BITS_PER_CHANNEL = 128_000  # bits per second and channel
MP4_TICKS = 20_000
"""Ticks per second of a video in an MP4 file at most, unless its own times are finer."""
MOST_TICKS = 2**31 - 1
_OWN_METADATA = {"major_brand", "minor_version", "compatible_brands", "encoder"}
VideoSource = str | Path | io.BytesIO
"""Path of a video file, or its contents."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video that the result keeps."""

    size: tuple[int, int]
    """(height, width) in pixels of the upright frame."""
    fps: float
    """Average frame rate."""
    frames: int
    """Approximate number of frames; 0 where the file does not say."""
    pixels: str
    """Pixel format, one of `PLANAR`."""
    matrix: int
    """Number of the colour matrix in H.273."""
    color_range: int
    """FFmpeg's number of the colour range: 1 limited, 2 full, 0 unspecified."""
    pixel_aspect: Fraction
    """Width of a pixel of the upright frame divided by its height."""


class VideoReader:
    """Reader of the frames of a video file in order, upright and in a `PLANAR` format."""

    def __init__(self, source: VideoSource) -> None:
        """Open the file; raises LGVIError where it holds no video that can be read."""
        self.source = source
        self.container = open_container(source)
        if not self.container.streams.video:
            self.container.close()
            raise LGVIError(f"{name_of(source)} holds no video; load a video file")
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self._is_sideways = False  # whether the file stores the frames rotated by 90 degrees
        self._frames: Iterator[av.VideoFrame] = self._decode()
        frame = next(self._frames, None)
        if frame is None:
            self.container.close()
            raise LGVIError(f"{name_of(source)} holds no frames")
        self._frames = itertools.chain([frame], self._frames)
        rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.info = VideoInfo(
            size=(frame.height, frame.width),
            fps=float(rate),
            frames=self._length(rate),
            pixels=frame.format.name,
            matrix=int(frame.colorspace),
            color_range=int(frame.color_range),
            pixel_aspect=self._pixel_aspect(),
        )

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.container.close()

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield all frames, once; raises LGVIError where the size changes or reading fails."""
        for frame in self._frames:
            if (frame.height, frame.width) != self.info.size:
                height, width = self.info.size
                raise LGVIError(
                    f"{name_of(self.source)} changes from {width} x {height} to {frame.width} x "
                    f"{frame.height} pixels: cut it there, and load the parts one by one"
                )
            yield frame

    def _decode(self) -> Iterator[av.VideoFrame]:
        try:
            for frame in self.container.decode(self.stream):
                self._is_sideways = round(frame.rotation / 90) % 2 == 1
                yield rotate_upright(frame)
        except av.FFmpegError as error:
            raise LGVIError(f"{name_of(self.source)} cannot be read further: {error}") from error

    def _pixel_aspect(self) -> Fraction:
        """Return an upright pixel's width divided by its height; 1 where the file does not say."""
        aspect = Fraction(self.stream.sample_aspect_ratio or 1)
        return 1 / aspect if self._is_sideways else aspect

    def _length(self, rate: Fraction) -> int:
        if self.stream.frames:
            return self.stream.frames
        seconds = (self.container.duration or 0) / av.time_base
        return round(seconds * rate)


class VideoWriter:
    """MP4 file with the frame times, bit depth, colours and audio of the file that is read.

    It is a context manager; the file is deleted if the block raises, or if it cannot be written,
    which raises LGVIError.
    """

    def __init__(self, path: Path, like: VideoReader, crf: int, audio: bool = True) -> None:
        """Create the file at `path` with the properties of `like`.

        `crf` is the encoder's constant rate factor: 0 is lossless, 16 is hard to tell from the
        source. `audio` says whether to copy the audio.
        """
        self._last: int | None = None
        self.audio: _AudioTracks | None = None
        with ExitStack() as stack:
            self.container: Any = stack.enter_context(
                mp4_file(path, {"movflags": "use_metadata_tags"})
            )
            metadata = like.container.metadata.items()
            self.container.metadata.update({k: v for k, v in metadata if k not in _OWN_METADATA})
            self.stream = self._video_stream(like, crf)
            if audio:
                self.audio = _AudioTracks(like.source, self.container)
                stack.callback(self.audio.close)
                self.audio.open_tracks()
            self._open = stack.pop_all()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with self._open:
            if error is not None:
                raise error
            self._encode(None)
            if self.audio is not None:
                self.audio.copy_until(None)

    def write(self, frame: av.VideoFrame) -> None:
        """Write a frame at its own time, or after the last one if its time does not follow that."""
        if frame.pts is None or (self._last is not None and frame.pts <= self._last):
            frame.pts = 0 if self._last is None else self._last + self._usual_length
        if self._last is not None:
            self._check_gap((frame.pts - self._last) * self.stream.codec_context.time_base)
        self._last = frame.pts
        frame.pict_type = 0
        if self.audio is not None:
            self.audio.copy_until(float(frame.pts * self.stream.codec_context.time_base))
        self._encode(frame)

    def _check_gap(self, seconds: Fraction) -> None:
        """Raise LGVIError for a time between two frames that an MP4 file cannot hold."""
        ticks = max(1 / self.stream.codec_context.time_base, MP4_TICKS)
        if seconds * ticks > MOST_TICKS:
            raise LGVIError(
                f"there are {float(seconds / 3600):.1f} hours between two frames of the video, "
                "more than an MP4 file can hold: cut it there, and load the parts one by one"
            )

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self.stream.encode(frame):
            # Not every version of PyAV sets the last packet's duration; the file's rate needs it.
            packet.duration = packet.duration or self._usual_length
            self.container.mux(packet)

    @property
    def _usual_length(self) -> int:
        """Duration of a frame at the nominal rate, in units of the time base."""
        context = self.stream.codec_context
        return max(1, round(1 / (context.framerate * context.time_base)))

    def _video_stream(self, like: VideoReader, crf: int) -> Any:
        source, info = like.stream, like.info
        deep = PLANAR[info.pixels][0] > 8
        stream = self.container.add_stream("libx265" if deep else "libx264")
        context = stream.codec_context
        context.height, context.width = info.size
        context.pix_fmt = info.pixels
        context.time_base = source.time_base
        # A nominal rate only; a file that was made for slow or fast motion may say anything.
        context.framerate = frame_rate(min(max(info.fps, 1 / FINEST), FASTEST))
        context.sample_aspect_ratio = info.pixel_aspect
        context.colorspace, context.color_range = info.matrix, info.color_range
        for name in ("color_primaries", "color_trc"):
            setattr(context, name, getattr(source.codec_context, name))
        lossless = {"x265-params": "lossless=1:log-level=error"} if deep else {"qp": "0"}
        lossy = {"crf": str(crf), **({"x265-params": "log-level=error"} if deep else {})}
        context.options = {"preset": "medium", **(lossy if crf else lossless)}
        if deep:
            context.codec_tag = "hvc1"  # Apple's players need this tag
        return stream


class _AudioTracks:
    """The audio tracks of a source file, copied or re-encoded into the file that is written."""

    def __init__(self, source: VideoSource, output: Any) -> None:
        self.input = open_container(source)
        self.output = output
        self.tracks: dict[int, Any] = {}

    def open_tracks(self) -> None:
        """Add the source's tracks to the output."""
        for track in self.input.streams.audio:
            if track.codec_context is None:
                continue  # FFmpeg cannot read this track
            if track.codec_context.codec.canonical_name in MP4_AUDIO:
                self.tracks[track.index] = self.output.add_stream_from_template(track)
            else:
                self.tracks[track.index] = add_aac_track(self.output, track.rate, track.layout.name)
        self.written: dict[int, int] = {}  # last time written of each re-encoded track
        used = [stream for stream in self.input.streams.audio if stream.index in self.tracks]
        self.packets = self.input.demux(used) if used else iter(())
        self.waiting: Any = None

    def copy_until(self, seconds: float | None) -> None:
        """Write the audio up to this time; None writes the rest."""
        while (packet := self.waiting or next(self.packets, None)) is not None:
            if (
                seconds is not None
                and packet.dts is not None
                and float(packet.dts * packet.time_base) > seconds
            ):
                self.waiting = packet
                return
            self.waiting = None
            self._copy(packet)

    def close(self) -> None:
        self.input.close()

    def _copy(self, packet: Any) -> None:
        track = self.tracks[packet.stream.index]
        if track.codec_context.is_encoder:
            for frame in packet.decode():
                self._encode(track, frame)
            if packet.dts is None:  # the end of the track
                self._encode(track, None)
        elif packet.dts is not None:
            packet.stream = track
            self.output.mux(packet)

    def _encode(self, track: Any, frame: av.AudioFrame | None) -> None:
        for packet in track.encode(frame):
            # Times may jump back by a sample or two, as in AVI files, but MP4 needs rising ones.
            if packet.dts <= self.written.get(track.index, packet.dts - 1):
                packet.dts = self.written[track.index] + 1
                packet.pts = max(packet.pts, packet.dts)
            self.written[track.index] = packet.dts
            self.output.mux(packet)


def add_aac_track(output: Any, rate: int, layout: str) -> Any:
    """Add an AAC track of this channel layout and the next AAC rate from `rate` (Hz) upwards."""
    near = min(AAC_RATES, key=lambda known: (known < rate, abs(known - rate)))
    track = output.add_stream("aac", rate=near if rate < AAC_RATES[-1] else AAC_RATES[-1])
    track.layout = layout
    track.bit_rate = AAC_BITS_PER_CHANNEL * track.layout.nb_channels
    return track


def open_container(source: VideoSource) -> Any:
    """Open a file for reading; raises LGVIError where it is not a video file."""
    if isinstance(source, io.BytesIO):
        source = io.BytesIO(source.getbuffer())
    try:
        return av.open(source if isinstance(source, io.BytesIO) else str(source), "r")
    except (av.FFmpegError, OSError) as error:
        raise LGVIError(f"{name_of(source)} cannot be opened as a video: {error}") from error


def name_of(source: VideoSource) -> str:
    """Return the file's name for messages."""
    return "the video" if isinstance(source, io.BytesIO) else str(source)
