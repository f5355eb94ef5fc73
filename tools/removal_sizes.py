"""Remove the star of the sample at six sizes with default settings, and compare what is left.

    OMP_NUM_THREADS=1 python -m tools.removal_sizes --output sizes.png

Upright sizes are cut out of the clip around the star, as a phone would have filmed it: the sample
stretched to them shows a star three times as tall as wide, which the bundled model does not know.
It prints, for each size, the share of the red that was there and still is, and writes a picture
with source, opacity and result of a frame of each side by side.
"""

import argparse
from pathlib import Path

import av
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from lgvi_core.pipeline import LGVIPipeline

from .paths import ROOT

CLIP = ROOT / "workflows" / "inputs" / "lgvi_sample.mp4"
SIZES = ((96, 160), (160, 96), (192, 320), (1280, 720), (1080, 1920), (2160, 3840))
SENTENCE = "remove the red star"
SHOWN = (180, 300)


def main() -> None:
    """Measure each size, print its line, and write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=8, help="of the clip, from its start")
    parser.add_argument("--output", type=Path, required=True, help="PNG to write")
    args = parser.parse_args()
    with av.open(str(CLIP)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    clip = torch.stack([torch.from_numpy(x) for x in frames[: args.frames]]).float() / 255
    pipeline = LGVIPipeline.from_checkpoint()
    rows = []
    for size in SIZES:
        source = _scaled(_cut(clip, size), size)
        found = pipeline.remove(source, SENTENCE, background=False, seed=1)
        left = _red(found.frames) / _red(source)
        covered = float(found.opacity.mean())
        print(f"{size[1]} x {size[0]}: red left {left:.1%}, opacity {covered:.1%}", flush=True)
        middle = len(clip) // 2
        opacity = found.opacity[middle, ..., None].expand(-1, -1, 3)
        parts = torch.stack([source[middle], opacity, found.frames[middle]])
        rows.append(torch.cat(list(_shown(parts)), dim=1))
    picture = (torch.cat(rows) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(picture).save(args.output)


def _cut(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut frames [f, h, w, 3] around the star to the shape of `size` if that is upright."""
    height, width = frames.shape[1:3]
    if size[0] <= size[1]:
        return frames
    columns = _is_red(frames).nonzero()[:, 2].float()
    cut = round(height * size[1] / size[0])
    left = min(max(0, round(float(columns.mean())) - cut // 2), width - cut)
    return frames[:, :, left : left + cut]


def _shown(parts: Tensor) -> Tensor:
    """Fit pictures [n, h, w, 3] into grey ones of the size that is shown."""
    scale = min(SHOWN[0] / parts.shape[1], SHOWN[1] / parts.shape[2])
    fitted = _scaled(parts, (round(parts.shape[1] * scale), round(parts.shape[2] * scale)))
    top, left = (SHOWN[0] - fitted.shape[1]) // 2, (SHOWN[1] - fitted.shape[2]) // 2
    picture = torch.full((len(parts), *SHOWN, 3), 0.5)
    picture[:, top : top + fitted.shape[1], left : left + fitted.shape[2]] = fitted
    return picture


def _scaled(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Stretch frames [f, h, w, 3] to `size` (height, width)."""
    scaled = F.interpolate(frames.movedim(-1, 1), size=size, mode="bilinear", antialias=True)
    return scaled.clamp(0, 1).movedim(1, -1)


def _red(frames: Tensor) -> float:
    """Return the share of the pixels [f, h, w, 3] that are much redder than green and blue."""
    return float(_is_red(frames).float().mean())


def _is_red(frames: Tensor) -> Tensor:
    return frames[..., 0] - frames[..., 1:].amax(dim=-1) > 0.3


if __name__ == "__main__":
    main()
