"""The public functions: the background behind a mask, of a whole clip or of a stream of frames."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from ..canvas import check_frames, is_finite
from ..errors import LGVIError
from ..masks import check_mask
from .settings import BackgroundSettings, Filled, MaskedFrame, Painting
from .stream import stream


def fill_background(
    frames: Tensor,
    mask: Tensor,
    painting: Tensor | None = None,
    settings: BackgroundSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> Filled:
    """Frames without what is masked: the background from other frames, painted where none shows it.

    `frames` [f, h, w, 3] are RGB, uint8 or uint16 or floats in 0..1, on any device. `mask` [f, h,
    w], or [1, h, w] for all frames, is the opacity of what is laid over: pixels at 0 come back bit
    for bit, and so do frames that hide nothing. `painting` [f, H, W, 3], the same frames without
    the object at any size, is used where no frame shows the background, as far as it tells the
    surroundings better than a classical inpainting; without one that is used alone. `progress` is
    called with the number of frames that are done, and may raise to stop. Gives back
    frames of the same type and size, and `unseen` float32 [f, h, w]: 1 where it had to be painted.
    Raises LGVIError for input that does not fit together and for NaN.
    """
    check_frames(frames, integers=True)
    size = (frames.shape[1], frames.shape[2])
    check_mask(mask, len(frames), {size})
    if painting is not None:
        check_frames(painting, "painting", integers=True)
        if len(painting) != len(frames) or not _same_aspect(painting[0], frames[0]):
            raise LGVIError(
                f"painting is {_shape(painting)}, the frames are {_shape(frames)}: give one "
                "painted frame for each frame, that shows all of it"
            )
    parts = (
        MaskedFrame(
            frames[i],
            mask[i if len(mask) > 1 else 0],
            None if painting is None else painting[i],
        )
        for i in range(len(frames))
    )
    out = torch.empty_like(frames)
    unseen = torch.zeros(frames.shape[:3], device=frames.device)
    for i, done in enumerate(fill_stream(parts, settings, len(frames))):
        out[i], unseen[i] = done
        if progress is not None:
            progress(i + 1)
    return Filled(out, unseen)


def fill_stream(
    shown: Iterable[MaskedFrame],
    settings: BackgroundSettings | None = None,
    frames: int | None = None,
) -> Iterator[Filled]:
    """The same frame by frame, in memory that does not grow with the length of the video.

    Frames come out in the order in which they go in, later by at most twice the settings'
    `reach`. `frames` is how many there are, if that is known: a short clip takes less
    memory then. Raises LGVIError, with the frame's number, for one that does not fit the first.
    """
    return stream(_checked(shown), settings or BackgroundSettings(), frames)


def _checked(shown: Iterable[MaskedFrame]) -> Iterator[MaskedFrame]:
    first: Tensor | None = None
    for number, part in enumerate(shown):
        frame, mask, painting = part
        first = frame if first is None else first
        if frame.ndim != 3 or frame.shape[-1] != 3:
            raise LGVIError(
                f"frame {number} must be RGB [height, width, 3], got {list(frame.shape)}"
            )
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise LGVIError(
                f"frame {number} is {_shape(frame)} {frame.dtype}, the first one is "
                f"{_shape(first)} {first.dtype}: all frames must be alike"
            )
        if mask.shape != frame.shape[:2]:
            raise LGVIError(
                f"mask of frame {number} is {_shape(mask)}, the frame is {_shape(frame)}"
            )
        if not is_finite(mask.float()):
            raise LGVIError(f"mask of frame {number} holds NaN or infinite values")
        if frame.is_floating_point() and not is_finite(frame):
            raise LGVIError(
                f"frame {number} holds NaN or infinite pixels; check where the frames come from"
            )
        if callable(painting):
            later: Painting = partial(_made, painting, frame, number)
        else:
            later = None if painting is None else _checked_painting(painting, frame, number)
        yield MaskedFrame(frame, mask.to(frame.device), later)


def _made(make: Callable[[], Tensor], frame: Tensor, number: int) -> Tensor:
    """Make a painting now, and check it."""
    return _checked_painting(make(), frame, number)


def _checked_painting(painting: Tensor, frame: Tensor, number: int) -> Tensor:
    """Return the painting of frame `number` on its device; raises LGVIError for an unfit one."""
    if not _same_aspect(painting, frame):
        raise LGVIError(
            f"painting of frame {number} is {_shape(painting)}, the frame is {_shape(frame)}"
        )
    if not is_finite(painting.float()):
        raise LGVIError(f"painting of frame {number} holds NaN or infinite values")
    return painting.to(frame.device)


def _same_aspect(painting: Tensor, frame: Tensor) -> bool:
    """Whether a painting [H, W, 3] is the frame [h, w, 3] enlarged or shrunk, to a pixel."""
    if painting.ndim != 3 or painting.shape[-1] != 3:
        return False
    (height, width), (h, w) = painting.shape[:2], frame.shape[:2]
    return abs(height * w - h * width) <= max(h, w, height, width)


def _shape(image: Tensor) -> str:
    return " x ".join(map(str, image.shape))
