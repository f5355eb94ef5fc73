"""Removal of an object from a whole video file, in the memory of a few windows.

Segments of the file are sampled one after the other. The first frames of a segment are the last
ones of the segment before and keep the latents from there, so that the rest continues from them.
The file is read twice at the same time: resized for the model, and unchanged for the result.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.canvas import Fit, content_of, fit_canvas, from_canvas, to_canvas
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.masks import soft_mask
from ...lgvi_core.video.files import VideoReader, VideoSource, VideoWriter
from ...lgvi_core.video.planes import bits_of, frame_to_rgb, grey_frame, lay_over
from .conditioning import branches
from .mask_report import MaskReport
from .own_settings import describe_sampling, describe_size
from .removal import Removal
from .sampling import own_settings, sample_with_mask, why_no_mask
from .windows import with_windows

VAE_FRAMES = 16
"""Number of frames that the VAE encodes or decodes at a time."""
_NO_MASK = (
    "the model gave no mask, without which nothing could stay as it is. {} This node needs a model "
    "with a mask decoder, and euler as sampler"
)
Report = Callable[[str], None]
"""Shows a line about the progress."""


@dataclass(frozen=True)
class Segment:
    """Part of a video that is sampled at once."""

    c_x: Tensor
    """Latents of the source [f, 4, h, w]."""
    kept: int
    """Number of frames at the start that belong to the segment before as well."""
    last: bool
    """Whether the video ends with this segment."""


def remove(source: VideoSource, removal: Removal, result: Path, masks: Path, report: Report) -> str:
    """Write the video without the object, and the masks used; return lines on what was done.

    Raises LGVIError where the file cannot be read or the settings do not fit together; what was
    written until then is deleted.
    """
    own = own_settings(removal.model)
    removal = removal.complete(own)
    if removal.model.model.diffusion_model.mask_decoder is None:
        raise LGVIError(_NO_MASK.format(why_no_mask(removal.model, removal.sampling)))
    with ExitStack() as stack:
        small, full = (stack.enter_context(VideoReader(source)) for _ in range(2))
        fit = fit_canvas(full.info.size, removal.working_size)
        stride = removal.stride(full.info.fps)
        model = with_windows(removal.model, removal.window, removal.overlap, stride)
        result_file = stack.enter_context(VideoWriter(result, full, removal.crf))
        mask_file = stack.enter_context(VideoWriter(masks, full, removal.crf, audio=False))
        found = MaskReport(removal.mask.threshold)
        painted = _painted(small, full, removal, model, fit, report, found)
        if removal.background:
            finished = _with_background(painted, fit, removal.reach)
        else:
            finished = _enlarged(painted, fit)
        done = changed = 0
        shares: list[float] = []
        for frame, opacity, image, unseen in finished:
            mask_file.write(grey_frame(opacity, frame))
            if image is not None:
                changed += 1
                frame = lay_over(
                    frame, image, (opacity > 0).float() if unseen is not None else opacity
                )
                if unseen is not None:
                    shares.append(float(unseen[opacity > 0].mean()))
            result_file.write(frame)
            done += 1
        every = "" if stride == 1 else f", one frame in {stride} seen together"
        seen = f", {1 - sum(shares) / len(shares):.0%} of it from other frames" if shares else ""
        lines = (
            f"{fit.describe()}{every}; {changed} of {done} frames changed{seen}",
            describe_sampling(removal.sampling, own),
            describe_size(fit.canvas, own),
            found.advice(),
        )
        return "\n".join(filter(None, lines))


class Painted(NamedTuple):
    """One frame of the source, and what is laid over it."""

    frame: av.VideoFrame
    opacity: Tensor
    """How much of the image is used, [h, w], 0 to 1."""
    image: Tensor | None
    """The frame without the object, 0 to 1; None where nothing is masked.

    [H, W, 3] on the canvas as it was decoded, [h, w, 3] as it is laid over the source.
    """
    unseen: Tensor | None = None
    """What no other frame showed, [h, w], 0 to 1; None where none was asked.

    With it the image is the finished frame: the opacity is in it already.
    """


def _painted(
    small: VideoReader,
    full: VideoReader,
    removal: Removal,
    model: ModelPatcher,
    fit: Fit,
    report: Report,
    found: MaskReport,
) -> Iterator[Painted]:
    """Yield all frames of the source with what the model paints over them.

    Their masks are added to `found`.
    """
    frames, done = iter(full), 0
    before: Tensor | None = None
    latents_of_source = _latents(small, fit, removal.vae)
    for segment in segments(latents_of_source, removal.segment, removal.overlap):
        new = len(segment.c_x) - segment.kept
        report(f"frames {done + 1} to {done + new}{_of_all(full.info.frames, segment)}")
        latents, mask = _sample(model, removal, segment, before)
        before = latents
        found.add(mask[segment.kept :])
        for chunk in range(segment.kept, len(latents), VAE_FRAMES):
            index = slice(chunk, chunk + VAE_FRAMES)
            decoded = removal.vae.decode(latents[index])
            for image, where in zip(decoded, mask[index], strict=True):
                comfy.model_management.throw_exception_if_processing_interrupted()
                opacity = _opacity(where, fit, removal)
                painting = image if opacity.any() else None
                yield Painted(_next_frame(frames), opacity, painting)
        done += new


def _enlarged(painted: Iterator[Painted], fit: Fit) -> Iterator[Painted]:
    """Yield the same frames with their images at the source's size."""
    for part in painted:
        image = part.image
        yield part._replace(image=None if image is None else from_canvas(image[None], fit)[0])


def _with_background(painted: Iterator[Painted], fit: Fit, reach: int) -> Iterator[Painted]:
    """Yield the same frames, with the background that others show in place of the painting.

    Colours are taken from other frames with as many bits as the file has.
    """
    # Here, because it needs OpenCV, which a removal without the background does not.
    from ...lgvi_core.background import BackgroundSettings, MaskedFrame, fill_stream

    waiting: deque[Painted] = deque()

    def shown() -> Iterator[MaskedFrame]:
        for part in painted:
            waiting.append(part._replace(image=None))
            dtype = torch.uint8 if bits_of(part.frame) == 8 else torch.uint16
            pixels = _as_integers(frame_to_rgb(part.frame), dtype)
            image = part.image
            painting = None if image is None else content_of(image[None].float(), fit)[0]
            yield MaskedFrame(pixels, part.opacity, painting)

    for filled in fill_stream(shown(), BackgroundSettings(reach=reach)):
        part = waiting.popleft()
        if not part.opacity.any():
            yield part
            continue
        white = torch.iinfo(filled.frames.dtype).max
        yield part._replace(image=filled.frames.float() / white, unseen=filled.unseen)


def _as_integers(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Return an image of 0 to 1 in the whole range of an unsigned integer type."""
    return (image.float().cpu().clamp(0, 1) * torch.iinfo(dtype).max).round().to(dtype)


def _next_frame(frames: Iterator[av.VideoFrame]) -> av.VideoFrame:
    """Return the next frame of the source. Raises LGVIError where the file ends too early."""
    frame = next(frames, None)
    if frame is None:
        raise LGVIError("the video gave fewer frames when it was read again: check the file")
    return frame


def segments(latents: Iterator[Tensor], length: int, overlap: int) -> Iterator[Segment]:
    """Yield segments of up to `length` frames that share `overlap`, from `latents` [n, 4, h, w]."""
    parts: list[Tensor] = []
    kept = 0
    for more in latents:
        parts.append(more)
        # A segment is not the last one if there is at least one frame more.
        while sum(map(len, parts)) > length:
            whole = torch.cat(parts)
            yield Segment(whole[:length], kept, last=False)
            parts, kept = [whole[length - overlap :]], overlap
    if parts:
        yield Segment(torch.cat(parts), kept, last=True)


def _latents(video: VideoReader, fit: Fit, vae: VAE) -> Iterator[Tensor]:
    images: list[Tensor] = []
    for frame in video:
        comfy.model_management.throw_exception_if_processing_interrupted()
        images.append(to_canvas(frame_to_rgb(frame)[None], fit))
        if len(images) == VAE_FRAMES:
            yield vae.encode(torch.cat(images))
            images = []
    if images:
        yield vae.encode(torch.cat(images))


def _sample(
    model: ModelPatcher, removal: Removal, segment: Segment, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sample the latents [f, 4, h, w] without the object, and its mask [f, H, W] on the canvas."""
    samples = torch.zeros_like(segment.c_x)
    latent: dict[str, Any] = {"samples": samples}
    if before is not None and segment.kept:
        samples[: segment.kept] = before[-segment.kept :]
        free = torch.ones(len(samples), 1, *samples.shape[-2:])
        free[: segment.kept] = 0
        latent["noise_mask"] = free
    sampled, mask = sample_with_mask(
        model,
        branches(removal.positive, removal.negative, segment.c_x),
        latent,
        removal.sampling,
        source_size=None,
    )
    if mask is None:
        raise LGVIError(_NO_MASK.format(why_no_mask(model, removal.sampling)))
    return sampled["samples"], mask


def _opacity(mask: Tensor, fit: Fit, removal: Removal) -> Tensor:
    """Return the opacity [h, w] of the result, in the source's size."""
    sized = from_canvas(mask[None, ..., None], fit)[..., 0]
    return soft_mask(sized, removal.mask, fit.cell)[0]


def _of_all(known: int, segment: Segment) -> str:
    """Return the end of a progress line: the number of frames as far as the file says it."""
    if segment.last:
        return ", the last"
    return f" of about {known}" if known else ""
