"""Check a data set before training on it: report what it holds and which samples are broken.

    python -m train.data.check data/rovi
    python -m train.data.check data/rovi --options '{"split_file": "test.json"}' --limit 500
    python -m train.data.check https://host/shards/index.json --options '{"cache_dir": "cache"}'

The layout is recognised: ROVI, GQA-Inpaint, an index of WebDataset shards, or a folder of cached
latents. --options takes the keys of that data set in a training configuration, as JSON. Every
sample is read completely. The exit code is 1 if anything is broken.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
from .readers import DataSource, open_reader
from .sample import BrokenSample, Sample
from .sets.gqa_inpaint import GqaInpaintReader, GqaLayout
from .sets.rovi import FRAMES_FOLDER, TARGETS_FOLDER, RoviReader, TooLarge
from .sets.shards import INDEX, ShardReader

KINDS = ("rovi", "gqa_inpaint", "shards", "latents")
_LATENT_PATTERN = "*.safetensors"
_DIFFERENT = 40  # mean difference (of 255) outside the mask that means two different scenes
_SHOWN = 50  # number of problems that a report lists
_AROUND = 7  # pixels around the mask where source and target may differ


class Checkable(Protocol):
    """A reader that can also read all frames of one sample."""

    def __len__(self) -> int: ...

    def examine(self, index: int) -> Sample:
        """Read all frames of a sample. Raises BrokenSample if it cannot be used."""
        ...


@dataclass
class Finding:
    """The properties of one sample, or what is wrong with it."""

    name: str = ""
    sentence: str = ""
    kind: str = ""
    frames: int = 0
    size: str = ""
    """WIDTHxHEIGHT in pixels."""
    is_empty: bool = False
    """Whether the mask is empty, so that there is nothing to remove."""
    problem: str = ""
    """What is wrong with the sample, if anything."""
    is_dropped: bool = False
    """Whether training leaves the sample out because the object is too large."""


@dataclass
class Report:
    """The findings on a data set; printed as text by `str`."""

    kind: str
    total: int
    findings: list[Finding] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """Lines about the data set as a whole."""

    @property
    def problems(self) -> list[str]:
        """What is wrong with each broken sample."""
        return [found.problem for found in self.findings if found.problem]

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.total} samples, {len(self.findings)} read", *self.facts]
        good = [found for found in self.findings if not found.problem and not found.is_dropped]
        if good:
            lines += _summary(good)
        if dropped := sum(found.is_dropped for found in self.findings):
            lines.append(f"dropped, since they cover too much of a frame: {dropped}")
        if self.problems:
            lines.append(f"BROKEN: {len(self.problems)}")
            lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
            if len(self.problems) > _SHOWN:
                lines.append(f"  and {len(self.problems) - _SHOWN} more")
        else:
            lines.append("nothing is broken")
        return "\n".join(lines)


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
) -> Report:
    """Read a data set, or `limit` random samples of it, and report the findings.

    Raises LGVIError if its layout is not recognised or its files do not fit it.
    """
    kind = kind or detect(path)
    if kind == "latents":
        return _check_latents(Path(path), limit)
    where = {"index" if kind == "shards" else "root": path}
    source = TypeAdapter(DataSource).validate_python({"kind": kind, **where, **(options or {})})
    reader = open_reader(source)
    assert isinstance(reader, RoviReader | GqaInpaintReader | ShardReader)
    report = Report(kind, len(reader), facts=_facts(reader))
    report.findings = list(_examine_all(reader, _subset(len(reader), limit), workers))
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


def _examine_all(reader: Checkable, chosen: list[int], workers: int) -> Iterator[Finding]:
    found = map_in_workers(_Examiner(reader), chosen, workers if workers > 1 else 0)
    yield from tqdm(found, total=len(chosen), unit="sample", disable=None)


@dataclass(frozen=True)
class _Examiner:
    """Factory of a function that examines one sample by its index, in any process."""

    reader: Checkable

    def __call__(self) -> Callable[[int], Finding]:
        return self._sample

    def _sample(self, index: int) -> Finding:
        try:
            sample = self.reader.examine(index)
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


def _summary(good: list[Finding]) -> list[str]:
    frames = [found.frames for found in good]
    sentences = {found.sentence for found in good}
    lines = [
        f"frames: {min(frames)} to {max(frames)}, half have {int(np.median(frames))} or more",
        f"sizes: {_counted(found.size for found in good)}",
        f"sentences in what was read: {len(sentences)} different, "
        f"such as {', '.join(map(repr, sorted(sentences)[:3]))}",
        f"nothing to remove: {sum(found.is_empty for found in good)}",
    ]
    if any(found.kind for found in good):
        lines.append(f"kinds of sentences: {_counted(found.kind for found in good)}")
    return lines


def _counted(values: Iterator[str]) -> str:
    counts = Counter(values).most_common()
    shown = ", ".join(f"{value} ({count})" for value, count in counts[:10])
    return shown + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")


def _check_latents(folder: Path, limit: int | None) -> Report:
    """Check that each shard of `train.latent_cache` is readable, of the right shape, and finite."""
    files = sorted(folder.glob(_LATENT_PATTERN))
    report = Report("latents", len(files))
    kinds = Counter(path.stem.rpartition("-")[0] or "?" for path in files)
    report.facts.append(f"shards: {_counted(kinds.elements())}")
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="folder, or path or URL of an index of shards")
    parser.add_argument("--kind", choices=KINDS, help="layout, where it is not recognised")
    parser.add_argument("--options", type=json.loads, help="the data set's other keys, as JSON")
    parser.add_argument("--limit", type=int, help="read a random part of this many samples")
    parser.add_argument("--workers", type=int, default=4, help="processes")
    args = parser.parse_args()
    try:
        report = check(args.path, args.kind, args.options, args.limit, args.workers)
    except (LGVIError, ValidationError) as error:
        sys.exit(f"{args.path}: {error}")
    print(report)
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
