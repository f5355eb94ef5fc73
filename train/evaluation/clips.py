"""The clips that every method is evaluated on, by number."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lgvi_core.errors import LGVIError

from ..data.sample import Sample
from ..data.synthetic import make_sample
from .config import GeneratedConfig, ReaderConfig

ReadClip = Callable[[int], Sample]


def open_clips(config: GeneratedConfig | ReaderConfig) -> tuple[range, ReadClip]:
    """The clips' numbers, and what reads one; reading may raise BrokenSample."""
    if isinstance(config, GeneratedConfig):
        numbers = range(config.first, config.first + config.clips)
        return numbers, lambda number: _generate(config, number)
    from pydantic import TypeAdapter

    from ..data.readers import DataSource, open_reader

    source = TypeAdapter(DataSource).validate_python(config.source)
    reader = open_reader(source)
    stop = len(reader) if config.clips is None else min(len(reader), config.first + config.clips)
    if stop <= config.first:
        raise LGVIError(f"clip {config.first} is asked for, the data holds {len(reader)}")
    seed = config.seed
    return range(config.first, stop), lambda number: reader.read(
        number, config.frames, np.random.default_rng([seed, number])
    )


def _generate(config: GeneratedConfig, number: int) -> Sample:
    height, width = config.sizes[number % len(config.sizes)]
    return make_sample("held-out", number, config.frames, height, width)


def digest(sample: Sample) -> str:
    """Equal for equal samples only: what cached results of a clip are filed under."""
    found = hashlib.sha256(repr((sample.sentence, sample.kind, sample.removed)).encode())
    for array in (sample.source, sample.target, sample.mask, sample.object_masks):
        if array is not None:
            found.update(repr(array.shape).encode())
            found.update(array.tobytes())
    return found.hexdigest()[:16]


def write_clips(config: GeneratedConfig | ReaderConfig, folder: Path) -> None:
    """Writes what a method needs that is run elsewhere: `<clip>/source/*.png`, `sentence.txt`."""
    from PIL import Image

    numbers, read = open_clips(config)
    for number in numbers:
        sample = read(number)
        frames = folder / sample.name / "source"
        frames.mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(sample.source):
            Image.fromarray(frame).save(frames / f"{i:05d}.png")
        (folder / sample.name / "sentence.txt").write_text(sample.sentence + "\n")
