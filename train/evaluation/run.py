"""Evaluation of every method on every clip, in parallel; finished clips are cached on disk."""

import json
import os
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from lgvi_core.errors import LGVIError

from ..data.sample import BrokenSample
from ..engine.files import write_text
from ..engine.workers import results_as_they_come, use_threads
from .clips import digest, open_clips
from .config import AnyMethod, EvaluateConfig
from .measure import VERSION, Measurer
from .methods import Method, files_of, open_method
from .object_measures import Values
from .sheet import write_row

Job = tuple[int, int]
"""Index of the method in `all_methods`, and number of the clip."""


@dataclass(frozen=True)
class Record:
    """The outcome of one method on one clip.

    `row` is the path of its row of the contact sheet, relative to the output folder; None where it
    has none. `broken` says why the clip could not be read; there are no values then.
    """

    method: str
    clip: int
    name: str = ""
    kind: str = ""
    sentence: str = ""
    values: Values = field(default_factory=dict)
    features: list[list[float]] | None = None
    row: str | None = None
    broken: str | None = None
    strata: tuple[str, ...] = ()
    pair_of: str = ""


def evaluate(config: EvaluateConfig) -> list[Record]:
    """Evaluate what is not yet in the cache; the records are in the order of methods and clips.

    Raises LGVIError for methods, clips and files that cannot be used.
    """
    check_files(config)
    numbers, _ = open_clips(config.data)
    methods = config.all_methods
    # Results made elsewhere come first, so that missing ones are found before hours of sampling.
    order = sorted(range(len(methods)), key=lambda i: methods[i].kind not in ("source", "folder"))
    jobs = [(method, clip) for method in order for clip in numbers]
    found: dict[Job, Record] = {}
    with tqdm(total=len(jobs), unit="clip", smoothing=0.05) as progress:
        workers = config.workers if config.workers > 1 else 0
        for job, record in results_as_they_come(partial(Worker, config), jobs, workers):
            found[job] = record
            progress.set_postfix_str(record.method)
            progress.update()
    return [found[job] for job in sorted(jobs)]


class Worker:
    """Runs jobs in one process; one method is loaded at a time, to need the memory of one model."""

    def __init__(self, config: EvaluateConfig) -> None:
        use_threads(config.threads)
        self.config = config
        self.device = pick_device(config.device)
        numbers, self.read = open_clips(config.data)
        self.first = numbers.start
        self.keys = [cache_key(config, method) for method in config.all_methods]
        self.opened: tuple[int, Method] | None = None
        self.measurer: Measurer | None = None

    def __call__(self, job: Job) -> Record:
        number, clip = job
        method = self.config.all_methods[number]
        try:
            sample = self.read(clip)
        except BrokenSample as error:
            return Record(method.name, clip, broken=str(error))
        stem = f"{clip:06d}-{digest(sample)}"
        folder = self.config.output / "cache" / self.keys[number]
        file, picture = folder / f"{stem}.json", folder / f"{stem}.png"
        shown = clip - self.first < self.config.sheet_clips
        row = picture.relative_to(self.config.output).as_posix() if shown else None
        if file.exists() and (picture.exists() or not shown):
            grouped = {"strata": sample.strata, "pair_of": sample.pair_of}
            return Record(**json.loads(file.read_text()) | {"row": row} | grouped)
        result = self._open(number)(sample)
        measured = self._measurer()(sample, result)
        features = measured.features
        record = Record(
            method.name,
            clip,
            sample.name,
            sample.kind,
            sample.sentence,
            measured.values,
            None if features is None else [vector.tolist() for vector in features],
            row,
            strata=sample.strata,
            pair_of=sample.pair_of,
        )
        folder.mkdir(parents=True, exist_ok=True)
        if shown:
            write_row(sample, result, f"{method.name}: {sample.sentence}", picture)
        write_text(file, json.dumps(asdict(record)))
        return record

    def _open(self, number: int) -> Method:
        if self.opened is None or self.opened[0] != number:
            self.opened = None  # frees the previous method before the next is loaded
            self.opened = number, open_method(self.config.all_methods[number], self.device)
        return self.opened[1]

    def _measurer(self) -> Measurer:
        if self.measurer is None:
            self.measurer = Measurer(self.config.measures, self.device)
        return self.measurer


def check_files(config: EvaluateConfig) -> None:
    """Raise LGVIError where a file or folder of the configuration does not exist."""
    files = [(method.name, path) for method in config.all_methods for path in files_of(method)]
    files += [("measures", path) for path in measuring_files(config)]
    for owner, path in files:
        if not path.exists():
            raise LGVIError(f"{owner}: {path} does not exist")


def measuring_files(config: EvaluateConfig) -> list[Path]:
    """Files of weights that the measures need."""
    named = (config.measures.features, getattr(config.measures.flow, "weights", None))
    return [path for path in named if path is not None]


def pick_device(device: str) -> str:
    """The device to use: "auto" is cuda where there is a GPU, otherwise cpu."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def cache_key(config: EvaluateConfig, method: AnyMethod) -> str:
    """Name of a method's cache folder: a hash of all that its values depend on except the clip."""
    known = [
        VERSION,
        method.model_dump(mode="json"),
        config.measures.model_dump(mode="json"),
        [fingerprint(path) for path in (*files_of(method), *measuring_files(config))],
    ]
    return f"{method.kind}-{sha256(json.dumps(known).encode()).hexdigest()[:16]}"


def fingerprint(path: Path) -> list[Any]:
    """Names, sizes in bytes and times in ns of the files at `path`, which show replaced weights."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    stats = [(file, file.stat()) for file in files if file.exists()]
    return [[os.path.relpath(file, path), stat.st_size, stat.st_mtime_ns] for file, stat in stats]


def stack_features(records: list[Record]) -> tuple[np.ndarray, np.ndarray] | None:
    """Features [n, d] of results and of targets; None where no feature network was used."""
    pairs = [record.features for record in records if record.features is not None]
    if not pairs:
        return None
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
