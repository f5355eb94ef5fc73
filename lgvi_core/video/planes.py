"""Video frames as planes of samples, so that unedited samples stay as they were decoded."""

import re
from collections.abc import Sequence

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange
from torch import Tensor
from torch.nn import functional as F

from .colour import BT709, Coding, planes_to_rgb, rgb_to_planes

PLANAR = {
    "yuv420p": (8, 2, 2),
    "yuv422p": (8, 2, 1),
    "yuv444p": (8, 1, 1),
    "yuv420p10le": (10, 2, 2),
    "yuv422p10le": (10, 2, 1),
    "yuv444p10le": (10, 1, 1),
}
"""Pixel formats in which frames are kept: (bits, pixels per chroma sample across, and down)."""

Planes = list[np.ndarray]
"""Luma, Cb and Cr, each uint8 or uint16 [h, w]; chroma may be smaller than luma."""


def planar_format(frame: av.VideoFrame) -> str:
    """Return the `PLANAR` format that loses nothing, or the least: "yuv420p10le" for P010."""
    pixel = frame.format
    deep = max(part.bits for part in pixel.components) > 8
    chroma = pixel.components[-1] if pixel.is_rgb is False and len(pixel.components) > 1 else None
    full = chroma is None or chroma.width == frame.width
    low = chroma is not None and chroma.height < frame.height
    # Common encoders refuse subsampled chroma for a frame with an odd side.
    if full or frame.width % 2 or frame.height % 2:
        name = "yuv444p"
    else:
        name = "yuv420p" if low else "yuv422p"
    return f"{name}10le" if deep else name


def read_planes(frame: av.VideoFrame) -> Planes:
    """Copy the planes of a frame in a `PLANAR` format: uint8 or uint16 [h, w]."""
    kind = np.uint8 if PLANAR[_plain_name(frame)][0] == 8 else np.uint16
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
        used = plane.width * np.dtype(kind).itemsize
        planes.append(np.ascontiguousarray(rows[:, :used]).view(kind))
    return planes


def write_planes(planes: Planes, name: str) -> av.VideoFrame:
    """Make a frame in the `PLANAR` format `name` from planes as `read_planes` returns them."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        raw = np.ascontiguousarray(samples).view(np.uint8)
        rows[:, : raw.shape[1]] = raw
        plane.update(rows.tobytes())
    return frame


def rotate_upright(frame: av.VideoFrame) -> av.VideoFrame:
    """Convert a frame to a `PLANAR` format and rotate it upright by its display matrix."""
    turns = round(frame.rotation / 90) % 4
    name = planar_format(frame)
    if frame.format.is_rgb:
        pixels = frame.to_ndarray(format="rgb48le" if name.endswith("10le") else "rgb24")
        frame = rgb_to_frame(pixels, name, frame)
    elif frame.format.name != _plain_name(frame):
        # The samples stay the same; some versions of FFmpeg's scaler take them for limited range.
        plain = write_planes(read_planes(frame), _plain_name(frame))
        frame = _with_properties_of(frame, plain)
        frame.color_range = ColorRange.JPEG
    if turns % 2 and name.startswith("yuv422p"):
        name = name.replace("422", "444")  # no format holds a rotated 4:2:2 frame
    kept = frame if frame.format.name == name else frame.reformat(format=name)
    if turns:
        kept = write_planes([np.rot90(plane, turns) for plane in read_planes(kept)], name)
    return _with_properties_of(frame, kept)


def rgb_to_frame(
    pixels: np.ndarray, name: str, times: av.VideoFrame | None = None
) -> av.VideoFrame:
    """Encode RGB `pixels` [h, w, 3], uint8 or uint16, as a BT.709 frame in a `PLANAR` format.

    The frame gets the time of the frame `times`, if that is given.
    """
    image = torch.from_numpy(pixels.astype(np.float32)) / np.iinfo(pixels.dtype).max
    frame = _frame_of(rgb_to_planes(image, Coding(BT709, False, PLANAR[name][0])), name)
    frame.colorspace, frame.color_range = BT709, ColorRange.MPEG
    if times is not None:
        _with_time_of(times, frame)
    return frame


def bits_of(frame: av.VideoFrame) -> int:
    """Return the number of bits per sample of a frame in a `PLANAR` format."""
    return PLANAR[frame.format.name][0]


def frame_to_rgb(frame: av.VideoFrame) -> Tensor:
    """Convert a frame in a `PLANAR` format to RGB, float32 [h, w, 3], 0 to 1."""
    return planes_to_rgb([_samples(plane) for plane in read_planes(frame)], _coding(frame))


def lay_over(frame: av.VideoFrame, image: Tensor, alpha: Tensor) -> av.VideoFrame:
    """Lay `image` [h, w, 3], 0 to 1, over a frame in a `PLANAR` format by `alpha` [h, w].

    A sample whose pixels all have alpha 0 stays the frame's own, bit for bit.
    """
    if not alpha.any():
        return frame
    opacity = alpha.float().cpu()
    over = rgb_to_planes(image.float().cpu(), _coding(frame))
    merged = []
    for place, (own, new) in enumerate(zip(read_planes(frame), over, strict=True)):
        # A chroma sample spans several pixels, and takes from each as much as that one is covered.
        spans = (1, 1) if place == 0 else PLANAR[frame.format.name][:0:-1]
        cover, added = _downsample(opacity, spans), _downsample(opacity * new, spans)
        mixed = _samples(own).float() * (1 - cover) + added
        merged.append(_to_samples(mixed, own.dtype))
    return _with_properties_of(frame, write_planes(merged, frame.format.name))


def grey_frame(values: Tensor, like: av.VideoFrame) -> av.VideoFrame:
    """Make a grey frame of `values` [h, w], 0 (black) to 1, with time and format of `like`."""
    image = values.float().cpu()[..., None].expand(-1, -1, 3)
    frame = _frame_of(rgb_to_planes(image, _coding(like)), like.format.name)
    return _with_properties_of(like, frame)


def _frame_of(planes: Sequence[Tensor], name: str) -> av.VideoFrame:
    """Make a frame from planes [h, w] of one size, with chroma shrunk to the format's size."""
    bits, across, down = PLANAR[name]
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    chroma = [_downsample(plane, (down, across)) for plane in planes[1:]]
    return write_planes([_to_samples(plane, kind) for plane in (planes[0], *chroma)], name)


def _plain_name(frame: av.VideoFrame) -> str:
    """Return the format's name without FFmpeg's old full-range mark: yuv420p for yuvj420p."""
    return re.sub("^yuvj(?=4(20|22|44)p$)", "yuv", frame.format.name)


def _coding(frame: av.VideoFrame) -> Coding:
    full_range = int(frame.color_range) == ColorRange.JPEG
    return Coding(int(frame.colorspace), full_range, PLANAR[frame.format.name][0])


def _samples(plane: np.ndarray) -> Tensor:
    return torch.from_numpy(plane.astype(np.int32))


def _to_samples(plane: Tensor, kind: np.dtype) -> np.ndarray:
    return plane.round().clamp(min=0).numpy().astype(kind)


def _downsample(plane: Tensor, spans: Sequence[int]) -> Tensor:
    """Return the means of blocks of `spans` (down, across) pixels."""
    if tuple(spans) == (1, 1):
        return plane
    return F.avg_pool2d(plane[None, None], tuple(spans))[0, 0]


def _with_properties_of(source: av.VideoFrame, frame: av.VideoFrame) -> av.VideoFrame:
    """Give `frame` the time and colour coding of `source`, and return it."""
    frame.colorspace, frame.color_range = source.colorspace, source.color_range
    return _with_time_of(source, frame)


def _with_time_of(source: av.VideoFrame, frame: av.VideoFrame) -> av.VideoFrame:
    frame.pts = source.pts
    if source.time_base is not None:
        frame.time_base = source.time_base
    return frame
