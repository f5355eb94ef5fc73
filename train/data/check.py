"""Check a data set before training on it: report what it holds and which samples are broken.

    python -m train.data.check data/rovi
    python -m train.data.check data/rovi --options '{"split_file": "test.json"}' --limit 500
    python -m train.data.check https://host/shards/index.json --options '{"cache_dir": "cache"}'
    python -m train.data.check data/rovi --frames 24

The layout is recognised: ROVI, GQA-Inpaint, an index of WebDataset shards, or a folder of cached
latents. --options takes the keys of that data set in a training configuration, as JSON. Every
sample is read completely. --frames takes the clip length of a training (video_frames; 1 for
pictures): what it would refuse is broken then, and shorter clips are counted. The exit code is 1 if
anything is broken.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from tqdm import tqdm

from lgvi_core.errors import LGVIError
from lgvi_core.latents import LATENT_CHANNELS
from lgvi_core.masks import dilate

from ..engine.workers import map_in_workers
from .findings import Finding, Report, counted
from .readers import DataSource, open_reader
from .sample import BrokenSample, Sample, check_clip
from .sets.gqa_inpaint import GqaInpaintReader, GqaLayout
from .sets.rovi import FRAMES_FOLDER, TARGETS_FOLDER, RoviReader, TooLarge
from .sets.shards import INDEX, ShardReader

KINDS = ("rovi", "gqa_inpaint", "shards", "latents")
_LATENT_PATTERN = "*.safetensors"
_DIFFERENT = 40  # mean difference (of 255) outside the mask that means two different scenes
_AROUND = 7  # pixels around the mask where source and target may differ


class Checkable(Protocol):
    """A reader that can also read all frames of one sample."""

    def __len__(self) -> int: ...

    def examine(self, index: int) -> Sample:
        """Read all frames of a sample. Raises BrokenSample if it cannot be used."""
        ...


def detect(path: str) -> str:
    """Recognise which of `KINDS` lies at a path. Raises LGVIError, with what was found, if none."""
    folder = Path(path)
    if path.endswith(".json") or (folder / INDEX).is_file():
        return "shards"
    if (folder / FRAMES_FOLDER).is_dir() or (folder / TARGETS_FOLDER).is_dir():
        return "rovi"
    if (folder / GqaLayout().inpainted).is_dir():
        return "gqa_inpaint"
    if folder.is_dir() and any(folder.glob(_LATENT_PATTERN)):
        return "latents"
    found = sorted(p.name for p in folder.iterdir())[:12] if folder.is_dir() else []
    raise LGVIError(
        f"{path} is none of {', '.join(KINDS)}; found: {', '.join(found) or 'nothing'}. "
        "Name its layout with --kind"
    )


def check(
    path: str,
    kind: str | None = None,
    options: dict[str, Any] | None = None,
    limit: int | None = None,
    workers: int = 1,
    frames: int | None = None,
) -> Report:
    """Read a data set, or `limit` random samples of it, and report the findings.

    With `frames`, samples are also judged as a training on clips of that length does. Raises
    LGVIError if the layout is not recognised or the files do not fit it.
    """
    kind = kind or detect(path)
    if kind == "latents":
        return _check_latents(Path(path), limit)
    where = {"index" if kind == "shards" else "root": path}
    source = TypeAdapter(DataSource).validate_python({"kind": kind, **where, **(options or {})})
    reader = open_reader(source)
    assert isinstance(reader, RoviReader | GqaInpaintReader | ShardReader)
    report = Report(kind, len(reader), facts=_facts(reader), clip_length=frames)
    chosen = _subset(len(reader), limit)
    report.findings = list(_examine_all(_Examiner(reader, frames), chosen, workers))
    return report


def _facts(reader: RoviReader | GqaInpaintReader | ShardReader) -> list[str]:
    if isinstance(reader, RoviReader):
        videos = len({entry.video for entry in reader.entries})
        sentences = [sentence for entry in reader.entries for sentence in entry.sentences]
        named = f"sentences: {len(sentences)}, {len(set(sentences))} different"
        folders = {path.name for path in (reader.root / FRAMES_FOLDER).iterdir()}
        unused = len(folders - {entry.video for entry in reader.entries})
        facts = [f"videos: {videos}", f"objects: {len(reader.entries)}", named]
        return facts + [f"videos that the split file does not name: {unused}"] * (unused > 0)
    if isinstance(reader, GqaInpaintReader):
        return [f"pictures: {len(reader.scenes)}", f"objects: {len(reader)}"]
    return [f"shards: {len(reader.shards)}"]


def _subset(total: int, limit: int | None) -> list[int]:
    if limit is None or limit >= total:
        return list(range(total))
    return sorted(int(i) for i in np.random.default_rng(0).choice(total, limit, replace=False))


def _examine_all(examiner: "_Examiner", chosen: list[int], workers: int) -> Iterator[Finding]:
    found = map_in_workers(examiner, chosen, workers if workers > 1 else 0)
    yield from tqdm(found, total=len(chosen), unit="sample", disable=None)


@dataclass(frozen=True)
class _Examiner:
    """Factory of a function that examines one sample by its index, in any process."""

    reader: Checkable
    clip_length: int | None = None

    def __call__(self) -> Callable[[int], Finding]:
        return self._sample

    def _sample(self, index: int) -> Finding:
        try:
            sample = self.reader.examine(index)
            check_clip(sample, self.clip_length or 1)
        except TooLarge as error:
            return Finding(name=str(error), is_dropped=True)
        except BrokenSample as error:
            return Finding(problem=str(error))
        frames, height, width = sample.mask.shape
        return Finding(
            sample.name,
            sample.sentence,
            sample.kind,
            frames,
            f"{width}x{height}",
            not sample.mask.any(),
            _contradiction(sample),
            bool(sample.turns),
        )


def _contradiction(sample: Sample) -> str:
    """What cannot be right in a readable sample, or an empty string."""
    if not sample.sentence.strip():
        return f"{sample.name}: the sentence is empty"
    if sample.mask.any() and np.array_equal(sample.source, sample.target):
        return f"{sample.name}: source and target are the same, though the mask is not empty"
    covered = torch.from_numpy(sample.mask.max(axis=0) > 0).to(torch.float32)
    outside = dilate(covered, _AROUND).numpy() == 0
    if outside.any():
        change = cv2.absdiff(sample.source, sample.target)[:, outside].mean()
        if change > _DIFFERENT:
            return f"{sample.name}: source and target differ by {change:.0f} outside the mask"
    return ""


def _check_latents(folder: Path, limit: int | None) -> Report:
    """Check that each shard of `train.latent_cache` is readable, of the right shape, and finite."""
    files = sorted(folder.glob(_LATENT_PATTERN))
    report = Report("latents", len(files))
    kinds = Counter(path.stem.rpartition("-")[0] or "?" for path in files)
    report.facts.append(f"shards: {counted(kinds.elements())}")
    if leftovers := len(list(folder.glob("*.partial"))):
        report.facts.append(f"files of an interrupted run, which are ignored: {leftovers}")
    for i in tqdm(_subset(len(files), limit), unit="shard", disable=None):
        report.findings.append(_examine_latents(files[i]))
    return report


def _examine_latents(path: Path) -> Finding:
    kind, _, number = path.stem.rpartition("-")
    if kind.removesuffix("-turned") not in ("image", "video") or not number.isdecimal():
        return Finding(problem=f"{path}: the name is not image-NNNNN or video-NNNNN")
    try:
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        return Finding(problem=f"{path}: cannot be read: {error}")
    if set(tensors) != {"latents", "masks"}:
        return Finding(problem=f"{path}: needs latents and masks; found {', '.join(tensors)}")
    latents, masks = tensors["latents"], tensors["masks"]
    if latents.ndim != 4 or latents.shape[1] != LATENT_CHANNELS:
        return Finding(problem=f"{path}: latents of shape {tuple(latents.shape)}")
    if masks.dtype != np.uint8 or masks.shape[1:] != latents.shape[2:]:
        return Finding(problem=f"{path}: masks {masks.dtype} of shape {tuple(masks.shape)}")
    if not np.isfinite(latents).all():
        return Finding(problem=f"{path}: latents hold values that are not finite")
    height, width = latents.shape[2:]
    return Finding(path.name, kind=kind, frames=len(latents), size=f"{width}x{height}")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="folder, or path or URL of an index of shards")
    parser.add_argument("--kind", choices=KINDS, help="layout, where it is not recognised")
    parser.add_argument("--options", type=json.loads, help="the data set's other keys, as JSON")
    parser.add_argument("--frames", type=_count, help="clip length of the training to check for")
    parser.add_argument("--limit", type=int, help="read a random part of this many samples")
    parser.add_argument("--workers", type=int, default=4, help="processes")
    args = parser.parse_args()
    try:
        report = check(args.path, args.kind, args.options, args.limit, args.workers, args.frames)
    except (LGVIError, ValidationError) as error:
        sys.exit(f"{args.path}: {error}")
    print(report)
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
