"""Sample held-out clips and say whether the right objects went.

    python -m train.validate --model lgvi_core/weights/lgvi-mini --clips 64 --sheet .runs/sheet.png

The measures, each over the removed objects or scenes:

- right: the predicted mask covers at least half of every object to go, and at most half of every
  other one;
- visible, clean: the error inside the dilated mask is below 0.5 and 0.25 of the source's;
- absent: nothing is there to remove, and less than 2 % of the frame is in the predicted mask.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from lgvi_core.attention import matmul_attention
from lgvi_core.pipeline import LGVIPipeline

from .data.synthetic import FRAME_SIZES, Sample, make_sample

DILATION = 5  # pixels by which masks are widened before errors are measured in them
SHEET_ROWS = 12


@dataclass(frozen=True)
class Result:
    """What the model made of a sample: `frames` uint8 [f, h, w, 3], `mask` [f, h, w] in 0..1."""

    sample: Sample
    frames: np.ndarray
    mask: np.ndarray


def run(pipeline: LGVIPipeline, sample: Sample, steps: int, text: float, video: float) -> Result:
    """Removes what the sample's sentence names."""
    output = pipeline(
        torch.from_numpy(sample.source).float() / 255,
        sample.sentence,
        steps=steps,
        text_scale=text,
        video_scale=video,
    )
    if output.mask is None:
        raise ValueError("the model has no mask decoder")
    frames = np.round(output.frames.numpy() * 255).astype(np.uint8)
    return Result(sample, frames, output.mask.numpy())


def measure(result: Result) -> dict[str, float]:
    """The measures of one sample; those that do not apply to it are left out."""
    sample, predicted = result.sample, result.mask >= 0.5
    masks = sample.object_masks >= 128
    found = {}
    if not sample.removed:
        found["absent"] = float(predicted.mean() < 0.02)
    else:
        cover = [(predicted & m).sum() / max(1, m.sum()) for m in masks]
        found["right"] = float(
            all(c >= 0.5 if i in sample.removed else c <= 0.5 for i, c in enumerate(cover))
        )
        truth = sample.mask >= 128
        found["iou"] = float((predicted & truth).sum() / max(1, (predicted | truth).sum()))
        for i in sample.removed:
            area = dilate(masks[i])
            ratio = error(result.frames, sample.target, area) / error(
                sample.source, sample.target, area
            )
            found.setdefault("visible", 1.0)
            found.setdefault("clean", 1.0)
            found["visible"] *= float(ratio < 0.5)
            found["clean"] *= float(ratio < 0.25)
    found["psnr"] = psnr(result.frames, sample.target)
    blend = dilate(predicted)[..., None]
    composited = np.where(blend, result.frames, sample.source)
    found["psnr composited"] = psnr(composited, sample.target)
    found["psnr of the source"] = psnr(sample.source, sample.target)
    return found


def dilate(mask: np.ndarray) -> np.ndarray:
    """A boolean mask [f, h, w] widened by DILATION pixels."""
    kernel = np.ones((2 * DILATION + 1,) * 2, np.uint8)
    return np.stack([cv2.dilate(m.astype(np.uint8), kernel) > 0 for m in mask])


def error(one: np.ndarray, other: np.ndarray, area: np.ndarray) -> float:
    """Root of the summed squared difference in a boolean area [f, h, w]."""
    difference = (one.astype(np.float32) - other)[area]
    return max(float(np.sqrt(np.square(difference).sum())), 1e-6)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """In dB, at most 60."""
    mse = np.square(one.astype(np.float32) - other).mean()
    return float(min(60, 10 * np.log10(255**2 / max(mse, 1e-3))))


def contact_sheet(results: list[Result], path: Path) -> None:
    """One row a clip: source, result, target, predicted mask (first and last frame of each)."""
    rows = []
    for result in results:
        cells = []
        shown = np.repeat((result.mask[..., None] * 255).astype(np.uint8), 3, axis=-1)
        for frames in (result.sample.source, result.frames, result.sample.target, shown):
            for frame in (frames[0], frames[-1]):
                height, width = frame.shape[:2]
                padding = ((0, 128 - height + 2), (0, 160 - width + 2), (0, 0))
                cells.append(np.pad(frame, padding))
        row = np.hstack(cells)
        place = (4, 124)
        cv2.putText(row, result.sample.sentence, place, 0, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(row, result.sample.sentence, place, 0, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="diffusers folder")
    parser.add_argument("--clips", type=int, default=64, help="held-out clips")
    parser.add_argument("--first", type=int, default=0, help="number of the first clip")
    parser.add_argument("--frames", type=int, default=8, help="frames per clip")
    parser.add_argument("--steps", type=int, default=10, help="DDIM steps")
    parser.add_argument("--text-scale", type=float, default=2.0)
    parser.add_argument("--video-scale", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--sheet", type=Path, help="PNG of the first clips to write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipeline = LGVIPipeline.from_checkpoint(args.model, attention=matmul_attention)

    start = time.monotonic()
    measures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    results = []
    for number in range(args.first, args.first + args.clips):
        height, width = FRAME_SIZES[number % len(FRAME_SIZES)]
        sample = make_sample("held-out", number, args.frames, height, width)
        result = run(pipeline, sample, args.steps, args.text_scale, args.video_scale)
        results.append(result)
        for group in ("all", sample.kind):
            for name, value in measure(result).items():
                measures[group][name].append(value)
    for group, values in sorted(measures.items()):
        count = len(values["psnr"])
        means = {name: round(float(np.mean(v)), 3) for name, v in values.items()}
        print(f"{group} ({count}): {json.dumps(means)}")
    print(f"{(time.monotonic() - start) / args.clips:.1f} s per clip")
    if args.sheet:
        contact_sheet(results[:SHEET_ROWS], args.sheet)


if __name__ == "__main__":
    main()
