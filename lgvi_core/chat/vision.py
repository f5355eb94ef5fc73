"""Conversion of frames to the images that the chat model's vision tower reads."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..canvas import check_frames
from .format import Framing

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def prepare_pixels(
    frames: Tensor,
    size: int,
    framing: Framing,
    shown: int = 1,
    mean: tuple[float, ...] = CLIP_MEAN,
    std: tuple[float, ...] = CLIP_STD,
) -> Tensor:
    """Return normalised images [m, 3, size, size] of `frames` [f, h, w, 3], float 0 to 1.

    m is `shown`, or f where the video is shorter. A single image is the first frame, as in the
    released code; several are spread evenly over the video. "crop" shows the middle square,
    "letterbox" the whole frame with bars of the mean colour. Raises LGVIError where `frames` have
    a wrong shape, are none, or hold values that are not finite.
    """
    check_frames(frames)
    count = min(shown, len(frames))
    chosen = torch.linspace(0, len(frames) - 1, count).round().long() if count > 1 else [0]
    images = frames[chosen].movedim(-1, 1).float()
    colour, spread = (torch.tensor(v).view(1, 3, 1, 1).to(images) for v in (mean, std))
    height, width = images.shape[-2:]
    side = min(height, width) if framing == "crop" else max(height, width)
    scaled = (max(1, round(height * size / side)), max(1, round(width * size / side)))
    images = F.interpolate(images, scaled, mode="bicubic", antialias=True).clamp(0, 1)
    images = (images - colour) / spread
    top, left = (size - scaled[0]) // 2, (size - scaled[1]) // 2
    # Negative padding crops; zero is the mean colour.
    return F.pad(images, (left, size - scaled[1] - left, top, size - scaled[0] - top))
