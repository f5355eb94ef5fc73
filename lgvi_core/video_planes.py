"""Video frames as planes of samples, so that what is not laid over stays as it was decoded."""

from collections.abc import Sequence

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace
from torch import Tensor
from torch.nn import functional as F

PLANAR = {
    "yuv420p": (8, 2, 2),
    "yuv422p": (8, 2, 1),
    "yuv444p": (8, 1, 1),
    "yuv420p10le": (10, 2, 2),
    "yuv422p10le": (10, 2, 1),
    "yuv444p10le": (10, 1, 1),
}
"""Formats that frames are kept in: bits, and how many pixels a chroma sample spans (x, y)."""

Planes = list[np.ndarray]


def planar_format(frame: av.VideoFrame) -> str:
    """The kept format that loses nothing of a frame's, or least: "yuv420p10le" for P010."""
    pixel = frame.format
    deep = max(part.bits for part in pixel.components) > 8
    chroma = pixel.components[-1] if pixel.is_rgb is False and len(pixel.components) > 1 else None
    full = chroma is None or chroma.width == frame.width
    low = chroma is not None and chroma.height < frame.height
    # A frame of odd size has no place for chroma samples of two pixels in common encoders.
    if full or frame.width % 2 or frame.height % 2:
        name = "yuv444p"
    else:
        name = "yuv420p" if low else "yuv422p"
    return f"{name}10le" if deep else name


def read_planes(frame: av.VideoFrame) -> Planes:
    """Copies of the planes of a frame in a PLANAR format: uint8 or uint16 [h, w]."""
    kind = np.uint8 if PLANAR[frame.format.name][0] == 8 else np.uint16
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
        used = plane.width * np.dtype(kind).itemsize
        planes.append(np.ascontiguousarray(rows[:, :used]).view(kind))
    return planes


def write_planes(planes: Planes, name: str) -> av.VideoFrame:
    """A new frame in the PLANAR format `name` of planes as read_planes gives them."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        raw = np.ascontiguousarray(samples).view(np.uint8)
        rows[:, : raw.shape[1]] = raw
        plane.update(rows.tobytes())
    return frame


def upright(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame in a PLANAR format and turned as its display matrix says."""
    turns = round(frame.rotation / 90) % 4
    name = planar_format(frame)
    if turns % 2 and name.startswith("yuv422p"):
        name = name.replace("422", "444")  # 4:2:2 on its side is no format
    kept = frame if frame.format.name == name else frame.reformat(format=name)
    if turns:
        kept = write_planes([np.rot90(plane, turns) for plane in read_planes(kept)], name)
    return _with_colours_of(frame, kept)


def to_rgb(frame: av.VideoFrame) -> Tensor:
    """float32 [h, w, 3] from 0 to 1 of a frame in a PLANAR format."""
    deep = PLANAR[frame.format.name][0] > 8
    rgb = frame.reformat(format="rgb48le" if deep else "rgb24", dst_color_range=ColorRange.JPEG)
    pixels = torch.from_numpy(rgb.to_ndarray().astype(np.float32))
    return pixels / (65535 if deep else 255)


def lay_over(frame: av.VideoFrame, image: Tensor, alpha: Tensor) -> av.VideoFrame:
    """`image` [h, w, 3] from 0 to 1 over a frame in a PLANAR format by `alpha` [h, w].

    A sample whose pixels all have alpha 0 is the frame's own, bit for bit.
    """
    bits, across, down = PLANAR[frame.format.name]
    if not alpha.any():
        return frame
    laid = torch.lerp(to_rgb(frame), image.float().cpu(), alpha.float().cpu()[..., None])
    new = read_planes(_from_rgb(laid, frame, bits))
    touched = (alpha > 0).float().cpu()[None, None]
    padded = F.pad(touched, (0, -alpha.shape[1] % across, 0, -alpha.shape[0] % down))
    chroma = F.max_pool2d(padded, (down, across))[0, 0].bool().numpy()
    where: Sequence[np.ndarray] = [touched[0, 0].bool().numpy(), chroma, chroma]
    old = read_planes(frame)
    merged = [np.where(w, n, o) for w, n, o in zip(where, new, old, strict=True)]
    return _with_colours_of(frame, write_planes(merged, frame.format.name))


def grey_frame(values: Tensor, like: av.VideoFrame) -> av.VideoFrame:
    """`values` [h, w] from 0 (black) to 1 as a frame of the time and format of another."""
    image = values.float().cpu()[..., None].expand(-1, -1, 3)
    return _with_colours_of(like, _from_rgb(image, like, PLANAR[like.format.name][0]))


def _from_rgb(image: Tensor, like: av.VideoFrame, bits: int) -> av.VideoFrame:
    samples = image.clamp(0, 1).numpy()
    if bits == 8:
        rgb = av.VideoFrame.from_ndarray(np.rint(samples * 255).astype(np.uint8), "rgb24")
    else:
        rgb = av.VideoFrame.from_ndarray(np.rint(samples * 65535).astype(np.uint16), "rgb48le")
    return rgb.reformat(
        format=like.format.name,
        src_color_range=ColorRange.JPEG,
        dst_colorspace=_matrix(like),
        dst_color_range=ColorRange(like.color_range or ColorRange.MPEG),
    )


def _matrix(frame: av.VideoFrame) -> int:
    """The matrix between YUV and RGB that a reader of the frame assumes."""
    return int(frame.colorspace) if frame.colorspace not in (0, 2, 3) else Colorspace.ITU601


def _with_colours_of(source: av.VideoFrame, frame: av.VideoFrame) -> av.VideoFrame:
    """`frame` with the time and the meaning of colours of `source`."""
    frame.pts = source.pts
    if source.time_base is not None:
        frame.time_base = source.time_base
    frame.colorspace, frame.color_range = source.colorspace, source.color_range
    frame.color_primaries, frame.color_trc = source.color_primaries, source.color_trc
    return frame
