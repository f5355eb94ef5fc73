"""From the latents that the model painted to finished frames of the file.

Only what is used is decoded: nothing where the mask is empty, and with the background of other
frames only what no frame shows.
"""

from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import av
import torch
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.canvas import content_of
from ...lgvi_core.video.planes import bits_of, frame_to_rgb
from ...lgvi_core.view import View
from .autoencoder import VAE_FRAMES, decode


class Painted(NamedTuple):
    """One frame of the source, and what the model would lay over it."""

    frame: av.VideoFrame
    opacity: Tensor
    """How much of the painting is used, [h, w], 0 to 1, in the source's size."""
    latent: Tensor | None
    """Latent of the painting [4, h, w]; None where nothing is masked."""
    number: int
    """Number of the frame in the video."""


class Finished(NamedTuple):
    """One frame of the source, and what is laid over it."""

    frame: av.VideoFrame
    opacity: Tensor
    """How much of the image is used, [h, w], 0 to 1."""
    image: Tensor | None
    """The frame without the object [h, w, 3], 0 to 1; None where nothing is masked."""
    unseen: Tensor | None = None
    """What no other frame showed, [h, w], 0 to 1; None where none was asked.

    With it the image is the finished frame: the opacity is in it already.
    """


def enlarged(painted: Iterator[Painted], view: View, vae: VAE) -> Iterator[Finished]:
    """Yield the frames with what the model painted, at the source's size.

    Frames whose mask is empty are not decoded.
    """
    while parts := list(islice(painted, VAE_FRAMES)):
        masked = [part.latent for part in parts if part.latent is not None]
        images = iter(decode(vae, torch.stack(masked))) if masked else iter(())
        for frame, opacity, latent, number in parts:
            image = None if latent is None else view.placed(view.restored(next(images)), number)
            yield Finished(frame, opacity, image)


def with_background(
    painted: Iterator[Painted], view: View, reach: int, vae: VAE
) -> Iterator[Finished]:
    """Yield the frames with the background that others show, painted where none shows it.

    Colours are taken from other frames with as many bits as the file has. A painting is decoded
    only where it is used.
    """
    # Here, because it needs OpenCV, which a removal without the background does not.
    from ...lgvi_core.background import BackgroundSettings, MaskedFrame, fill_stream

    waiting: deque[Painted] = deque()
    threads = torch.get_num_threads()

    def painting_of(latent: Tensor, number: int) -> Tensor:
        """Decode with all threads; the background works with one of torch's."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            image = decode(vae, latent[None]).float()
        finally:
            torch.set_num_threads(before)
        if view.crops is None:
            return content_of(image, view.fit)[0]
        return view.placed(view.restored(image[0]), number)

    def shown() -> Iterator[MaskedFrame]:
        for part in painted:
            waiting.append(part)
            dtype = torch.uint8 if bits_of(part.frame) == 8 else torch.uint16
            pixels = _as_integers(frame_to_rgb(part.frame), dtype)
            latent, number = part.latent, part.number
            painting = None if latent is None else partial(painting_of, latent, number)
            yield MaskedFrame(pixels, part.opacity, painting)

    for filled in fill_stream(shown(), BackgroundSettings(reach=reach)):
        frame, opacity, latent, _ = waiting.popleft()
        if latent is None:
            yield Finished(frame, opacity, None)
            continue
        white = torch.iinfo(filled.frames.dtype).max
        yield Finished(frame, opacity, filled.frames.float() / white, filled.unseen)


def _as_integers(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Return an image of 0 to 1 in the whole range of an unsigned integer type."""
    return (image.float().cpu().clamp(0, 1) * torch.iinfo(dtype).max).round().to(dtype)
