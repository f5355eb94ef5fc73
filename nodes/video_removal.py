"""An object removed from a whole video file, in the memory of a few windows.

Segments of the file are sampled one after the other. The first frames of a segment are the last of
the one before: their latents stay as they were made there, so that what follows goes on from them.
The file is read twice at the same time: small for the model, and as it is for the result.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ..lgvi_core.errors import LGVIError
from ..lgvi_core.frames import Fit, fit_frames, from_canvas, to_canvas
from ..lgvi_core.masks import soft_mask
from ..lgvi_core.video_io import VideoReader, VideoSource, VideoWriter
from ..lgvi_core.video_planes import grey_frame, lay_over, to_rgb
from .conditioning import branches
from .sampling import check_is_lgvi, sample_with_mask, why_no_mask
from .window_handler import with_windows

VAE_FRAMES = 16
"""Frames that the VAE is given at a time."""
_NO_MASK = (
    "the model gave no mask, without which nothing could stay as it is. {} This node needs a model "
    "with a mask decoder, and euler as sampler"
)
Report = Callable[[str], None]


@dataclass(frozen=True)
class Removal:
    """What removes, and how; the names are those of the node's inputs."""

    model: Any
    vae: Any
    positive: Any
    negative: Any
    working_size: int
    working_fps: float
    seed: int
    steps: int
    text_scale: float
    video_scale: float
    sampler: str
    scheduler: str
    window: int
    overlap: int
    segment: int
    threshold: float
    grow: int
    feather: int
    crf: int

    def stride(self, fps: float) -> int:
        """How far apart the frames of a window are, so that they follow at `working_fps`."""
        return max(1, round(fps / self.working_fps)) if self.working_fps > 0 else 1


@dataclass(frozen=True)
class Segment:
    """Latents [f, 4, h, w] of the source; the first `kept` frames are of the segment before."""

    c_x: Tensor
    kept: int
    last: bool


def remove(source: VideoSource, how: Removal, result: Path, masks: Path, report: Report) -> str:
    """Writes the video without the object and the masks that were used; says what was done.

    Raises LGVIError where the file cannot be read or the settings do not go together; what was
    written by then is deleted.
    """
    if how.overlap >= how.segment:
        raise LGVIError(
            f"segments of {how.segment} frames cannot share {how.overlap}: make segment larger"
        )
    check_is_lgvi(how.model)
    if how.model.model.diffusion_model.mask_decoder is None:
        raise LGVIError(_NO_MASK.format(why_no_mask(how.model, how.sampler, how.steps)))
    with ExitStack() as stack:
        small, full = (stack.enter_context(VideoReader(source)) for _ in range(2))
        fit = fit_frames(full.facts.size, how.working_size)
        stride = how.stride(full.facts.fps)
        model = with_windows(how.model, how.window, how.overlap, stride)
        result_file = stack.enter_context(VideoWriter(result, full, how.crf))
        mask_file = stack.enter_context(VideoWriter(masks, full, how.crf, sound=False))
        frames, done, changed = iter(full), 0, 0
        before: Tensor | None = None
        for segment in segments(_latents(small, fit, how.vae), how.segment, how.overlap):
            new = len(segment.c_x) - segment.kept
            report(f"frames {done + 1} to {done + new}{_of_all(full.facts.frames, segment)}")
            latents, mask = _sample(model, how, segment, before)
            before = latents
            for chunk in range(segment.kept, len(latents), VAE_FRAMES):
                index = slice(chunk, chunk + VAE_FRAMES)
                decoded = how.vae.decode(latents[index])
                for image, where in zip(decoded, mask[index], strict=True):
                    comfy.model_management.throw_exception_if_processing_interrupted()
                    frame = next(frames)
                    opacity = _opacity(where, fit, how)
                    mask_file.write(grey_frame(opacity, frame))
                    if opacity.any():
                        changed += 1
                        frame = lay_over(frame, from_canvas(image[None], fit)[0], opacity)
                    result_file.write(frame)
            done += new
        every = "" if stride == 1 else f", every {stride}th frame seen together"
        return f"{fit.describe()}{every}; {changed} of {done} frames changed"


def segments(latents: Iterator[Tensor], length: int, overlap: int) -> Iterator[Segment]:
    """Segments of up to `length` frames that share `overlap`, from `latents` [n, 4, h, w]."""
    parts: list[Tensor] = []
    kept = 0
    for more in latents:
        parts.append(more)
        # One frame more than a segment says that this one is not the last.
        while sum(map(len, parts)) > length:
            whole = torch.cat(parts)
            yield Segment(whole[:length], kept, last=False)
            parts, kept = [whole[length - overlap :]], overlap
    if parts:
        yield Segment(torch.cat(parts), kept, last=True)


def _latents(video: VideoReader, fit: Fit, vae: Any) -> Iterator[Tensor]:
    images: list[Tensor] = []
    for frame in video:
        comfy.model_management.throw_exception_if_processing_interrupted()
        images.append(to_canvas(to_rgb(frame)[None], fit))
        if len(images) == VAE_FRAMES:
            yield vae.encode(torch.cat(images))
            images = []
    if images:
        yield vae.encode(torch.cat(images))


def _sample(
    model: Any, how: Removal, segment: Segment, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Latents [f, 4, h, w] without the object, and its mask [f, H, W] on the canvas."""
    samples = torch.zeros_like(segment.c_x)
    latent: dict[str, Any] = {"samples": samples}
    if before is not None and segment.kept:
        samples[: segment.kept] = before[-segment.kept :]
        free = torch.ones(len(samples), 1, *samples.shape[-2:])
        free[: segment.kept] = 0
        latent["noise_mask"] = free
    sampled, mask = sample_with_mask(
        model,
        branches(how.positive, how.negative, segment.c_x),
        latent,
        how.seed,
        how.steps,
        (how.text_scale, how.video_scale),
        how.sampler,
        how.scheduler,
        source_size=None,
    )
    if mask is None:
        raise LGVIError(_NO_MASK.format(why_no_mask(model, how.sampler, how.steps)))
    return sampled["samples"], mask


def _opacity(mask: Tensor, fit: Fit, how: Removal) -> Tensor:
    """How much of the result is used [h, w], in the source's size."""
    sized = from_canvas(mask[None, ..., None], fit)[..., 0]
    return soft_mask(sized, how.threshold, how.grow, how.feather)[0]


def _of_all(known: int, segment: Segment) -> str:
    """How much there is, as far as the file says."""
    if segment.last:
        return ", the last"
    return f" of about {known}" if known else ""
