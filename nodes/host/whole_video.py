"""Removal of an object from a whole video file, in the memory of a few windows.

Segments of the file are sampled one after the other. The first frames of a segment are the last
ones of the segment before and keep the latents from there, so that the rest continues from them.
The file is read twice at the same time: resized for the model, and unchanged for the result.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ...lgvi_core.errors import LGVIError
from ...lgvi_core.latents import LATENT_CHANNELS, LATENT_PIXELS
from ...lgvi_core.masks import soft_mask
from ...lgvi_core.video.files import VideoReader, VideoSource, VideoWriter
from ...lgvi_core.video.planes import frame_to_rgb, grey_frame, lay_over
from ...lgvi_core.view import View
from .autoencoder import VAE_FRAMES, encode
from .conditioning import branches
from .finishing import Painted, enlarged, with_background
from .first_look import FirstLook, look
from .mask_report import MaskReport
from .own_settings import describe_sampling, describe_size
from .removal import Removal
from .sampling import own_settings, sample_with_mask, why_no_mask
from .windows import with_windows

_NO_MASK = (
    "the model gave no mask, without which nothing could stay as it is. {} This node needs a model "
    "with a mask decoder, and euler as sampler"
)
Report = Callable[[str], None]
"""Shows a line about the progress."""


@dataclass(frozen=True)
class Segment:
    """Part of a video that is sampled at once."""

    start: int
    """Number of its first frame in the video."""
    c_x: Tensor
    """Latents of the source [f, 4, h, w]; zeros for frames that no sampled segment has."""
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
        stride = removal.stride(full.info.fps)
        seen = look(source, removal) if removal.looks else None
        crops = None if seen is None else seen.crops
        view = View.of(full.info.size, removal.working_size, crops)
        model = with_windows(removal.model, removal.window, removal.overlap, stride)
        result_file = stack.enter_context(VideoWriter(result, full, removal.crf))
        mask_file = stack.enter_context(VideoWriter(masks, full, removal.crf, audio=False))
        found = MaskReport(removal.mask.threshold)
        painted = _painted(small, full, removal, model, view, report, found, seen)
        if removal.background:
            finished = with_background(painted, view, removal.reach, removal.vae)
        else:
            finished = enlarged(painted, view, removal.vae)
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
        shown = f", {1 - sum(shares) / len(shares):.0%} of it from other frames" if shares else ""
        lines = (
            f"{view.describe()}{every}; {changed} of {done} frames changed{shown}",
            "" if seen is None else seen.describe(),
            describe_sampling(removal.sampling, own),
            describe_size(view.fit.canvas, own),
            found.advice(),
        )
        return "\n".join(filter(None, lines))


def _painted(
    small: VideoReader,
    full: VideoReader,
    removal: Removal,
    model: ModelPatcher,
    view: View,
    report: Report,
    found: MaskReport,
    seen: FirstLook | None,
) -> Iterator[Painted]:
    """Yield all frames of the source with what the model paints over them.

    Their masks are added to `found`. Segments in which the first look has `seen` nothing are not
    sampled.
    """
    frames, done = iter(full), 0
    before: Tensor | None = None
    worked_on = None
    if seen is not None and removal.look_every:
        worked_on = seen.segments(removal.segment, removal.overlap)
    latents_of_source = _latents(small, view, removal.vae, worked_on)
    for segment in segments(latents_of_source, removal.segment, removal.overlap):
        new = len(segment.c_x) - segment.kept
        if worked_on is not None and all(segment.start != part.start for part in worked_on):
            before = None
            for number in range(done, done + new):
                comfy.model_management.throw_exception_if_processing_interrupted()
                nothing = torch.zeros(full.info.size)
                found.add(nothing[None])
                yield Painted(_next_frame(frames), nothing, None, number)
            done += new
            continue
        report(f"frames {done + 1} to {done + new}{_of_all(full.info.frames, segment)}")
        latents, mask = _sample(model, removal, segment, before)
        before = latents
        found.add(mask[segment.kept :])
        parts = zip(latents[segment.kept :], mask[segment.kept :], strict=True)
        for number, (latent, where) in enumerate(parts, done):
            comfy.model_management.throw_exception_if_processing_interrupted()
            opacity = _opacity(where, view, number, removal)
            painting = latent if opacity.any() else None
            yield Painted(_next_frame(frames), opacity, painting, number)
        done += new


def _next_frame(frames: Iterator[av.VideoFrame]) -> av.VideoFrame:
    """Return the next frame of the source. Raises LGVIError where the file ends too early."""
    frame = next(frames, None)
    if frame is None:
        raise LGVIError("the video gave fewer frames when it was read again: check the file")
    return frame


def segments(latents: Iterator[Tensor], length: int, overlap: int) -> Iterator[Segment]:
    """Yield segments of up to `length` frames that share `overlap`, from `latents` [n, 4, h, w]."""
    parts: list[Tensor] = []
    start = kept = 0
    for more in latents:
        parts.append(more)
        # A segment is not the last one if there is at least one frame more.
        while sum(map(len, parts)) > length:
            whole = torch.cat(parts)
            yield Segment(start, whole[:length], kept, last=False)
            start += length - overlap
            parts, kept = [whole[length - overlap :]], overlap
    if parts:
        yield Segment(start, torch.cat(parts), kept, last=True)


def _latents(
    video: VideoReader, view: View, vae: VAE, worked_on: list[range] | None
) -> Iterator[Tensor]:
    """Yield the latents [n, 4, h, w] of a video's frames, several at a time.

    Frames outside of the ranges `worked_on` are not encoded: theirs are zeros.
    """
    height, width = (side // LATENT_PIXELS for side in view.fit.canvas)
    frames, start = iter(video), 0
    while parts := list(islice(frames, VAE_FRAMES)):
        comfy.model_management.throw_exception_if_processing_interrupted()
        stop = start + len(parts)
        if worked_on is not None and not any(
            start < part.stop and part.start < stop for part in worked_on
        ):
            yield torch.zeros(len(parts), LATENT_CHANNELS, height, width)
        else:
            images = [view.shown(frame_to_rgb(x), number) for number, x in enumerate(parts, start)]
            yield encode(vae, torch.cat(images))
        start = stop


def _sample(
    model: ModelPatcher, removal: Removal, segment: Segment, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sample the latents [f, 4, h, w] without the object, and its mask [f, H, W] on the canvas."""
    samples = torch.zeros_like(segment.c_x)
    latent: dict[str, Any] = {"samples": samples}
    if segment.kept:
        # Where the segment before was copied, its frames go on as they are in the source.
        samples[: segment.kept] = segment.c_x[: segment.kept]
        if before is not None:
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


def _opacity(mask: Tensor, view: View, number: int, removal: Removal) -> Tensor:
    """Return the opacity [h, w] of the result of frame `number`, in the source's size."""
    sized = view.restored(mask[..., None])[..., 0]
    return view.placed(soft_mask(sized[None], removal.mask, view.fit.cell)[0], number)


def _of_all(known: int, segment: Segment) -> str:
    """Return the end of a progress line: the number of frames as far as the file says it."""
    if segment.last:
        return ", the last"
    return f" of about {known}" if known else ""
