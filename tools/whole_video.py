"""Measure flicker where windows and segments of LGVI Remove From Video meet.

    COMFYUI_PATH=... python -m tools.whole_video seams --clips 8

It runs lgvi-mini on held-out generated clips, in a plain process beside ComfyUI's modules.
"""

import argparse
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
from lgvi_core.windows import context_windows
from train.data.generated.samples import make_sample
from train.evaluation.config import DISConfig
from train.evaluation.warping import flow_function, motion, warping_errors

from .comfyui.pack import load_pack
from .demo import read_frames

SETTINGS: dict[str, Any] = {
    "working_fps": 0.0,
    "seed": 1,
    "text_scale": 2.0,
    "video_scale": 1.0,
    "sampler": "euler",
    "scheduler": "normal",
    "threshold": 0.5,
    "grow": 5,
    "feather": 0,
    "crf": 0,
}
SEAMS = {"working_size": 0, "steps": 10, "window": 16, "overlap": 5, "segment": 40}
SIDE, FRAMES = 128, 72


@dataclass(frozen=True)
class Modules:
    """Modules of the pack, imported as ComfyUI imports them."""

    checkpoint: Any
    comfy_checkpoint: Any
    removal: Any


def modules() -> Modules:
    """Import the pack beside the ComfyUI of COMFYUI_PATH."""
    load_pack(Path(os.environ["COMFYUI_PATH"]))
    return Modules(
        import_module("lgvi_pack.lgvi_core.checkpoint.checkpoint"),
        import_module("lgvi_pack.nodes.host.checkpoint"),
        import_module("lgvi_pack.nodes.host.whole_video"),
    )


def write_video(path: Path, frames: Iterable[np.ndarray]) -> None:
    """Write uint8 RGB frames [h, w, 3] as a lossless video of 30 frames a second."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264rgb", 30, options={"crf": "0"})
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt, stream.time_base = "rgb24", Fraction(1, 30)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        assert stream is not None
        container.mux(stream.encode())


def borders(frames: int, segment: int, window: int, overlap: int) -> tuple[set[int], set[int]]:
    """Borders between windows and between segments of a video of `frames` frames.

    A border between the frames t and t + 1 is given as t.
    """
    windows: set[int] = set()
    segments: set[int] = set()
    start = 0
    while True:
        length = min(segment, frames - start)
        # Earlier frames were written with the previous segment.
        first = start + (overlap if start else 0)
        segments.add(first - 1)
        for span in context_windows(length, window, overlap):
            ends = (start + span.start - 1, start + span.stop - 1)
            windows |= {t for t in ends if t >= first}
        if start + length == frames:
            break
        start += segment - overlap
    inside = set(range(frames - 1))
    return windows & inside - segments, segments & inside


@torch.inference_mode()
def seams(clips: int) -> dict[str, float]:
    """E_warp where objects were removed: at borders, relative to elsewhere, and elsewhere.

    The ratios are `windows` and `segments`; `inside` is E_warp of all other pairs of frames.
    """
    own = modules()
    checkpoint = own.checkpoint.load_checkpoint(BUNDLED_MODEL)
    model, clip, vae = own.comfy_checkpoint.create(checkpoint, "auto")
    empty = clip.encode_from_tokens_scheduled(clip.tokenize(""))
    at_windows, at_segments = borders(FRAMES, *(SEAMS[k] for k in ("segment", "window", "overlap")))
    errors: dict[str, list[float]] = {"windows": [], "segments": [], "inside": []}
    flow = flow_function(DISConfig(), "cpu")
    for number in range(clips):
        sample = make_sample("held-out", number, FRAMES, SIDE, SIDE)
        positive = clip.encode_from_tokens_scheduled(clip.tokenize(sample.sentence))
        how = own.removal.Removal.from_inputs(model, vae, positive, empty, **SETTINGS, **SEAMS)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{name}.mp4" for name in ("source", "result", "mask")]
            write_video(paths[0], sample.source)
            own.removal.remove(paths[0], how, *paths[1:], lambda _: None)
            result = read_frames(paths[1])
        found = warping_errors(result, motion(sample.target, flow), sample.mask > 0)  # type: ignore[arg-type]
        for t, error in enumerate(found):
            place = "windows" if t in at_windows else "segments" if t in at_segments else "inside"
            if error is not None:
                errors[place].append(error)
        print(f"clip {number}: {sample.sentence}", flush=True)
    inside = float(np.mean(errors.pop("inside")))
    ratios = {place: float(np.mean(values)) / inside for place, values in errors.items()}
    return {**ratios, "inside": inside}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "measure", choices=["seams"], help="E_warp at borders over E_warp elsewhere"
    )
    parser.add_argument("--clips", type=int, default=16, help="generated clips that are measured")
    found = seams(parser.parse_args().clips)
    print(f"E_warp inside windows: {found.pop('inside') * 100:.3f} x 10^-2")
    for place, ratio in found.items():
        print(f"E_warp where {place} meet, over that inside: {ratio:.3f}")


if __name__ == "__main__":
    main()
