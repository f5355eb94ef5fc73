"""The numbered clips that every method is evaluated on."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from lgvi_core.errors import LGVIError

from ..data.generated.asked import make_asked_sample
from ..data.generated.samples import make_sample
from ..data.pictures import cover_and_crop
from ..data.readers import open_reader
from ..data.sample import Reader, Sample
from .config import GeneratedConfig, ReaderConfig

ReadClip = Callable[[int], Sample]
"""Reads the clip with a given number; raises BrokenSample where its files are damaged."""


def open_clips(config: GeneratedConfig | ReaderConfig) -> tuple[range, ReadClip]:
    """Open the evaluation's data: the numbers of the clips, and a function that reads one.

    Raises LGVIError where the data set holds no clip with the number `config.first`.
    """
    if isinstance(config, GeneratedConfig):
        numbers = range(config.first, config.first + config.clips)
        return numbers, lambda number: _generate(config, number)
    reader = open_reader(config.source)
    stop = len(reader) if config.clips is None else min(len(reader), config.first + config.clips)
    if stop <= config.first:
        raise LGVIError(f"clip {config.first} is asked for, the data holds {len(reader)}")
    return range(config.first, stop), lambda number: _read(config, reader, number)


def _generate(config: GeneratedConfig, number: int) -> Sample:
    height, width = config.sizes[number % len(config.sizes)]
    if config.conversations:
        return make_asked_sample("held-out", number, config.frames, height, width)
    return make_sample(
        "held-out",
        number,
        config.frames,
        height,
        width,
        turned=config.turned,
        photographs=config.photographs,
        emoji_font=config.emoji_font,
    )


def _read(config: ReaderConfig, reader: Reader, number: int) -> Sample:
    sample = reader.read(number, config.frames, np.random.default_rng([config.seed, number]))
    if config.size is None:
        return sample
    size, objects = config.size, sample.object_masks
    return replace(
        sample,
        source=cover_and_crop(sample.source, size),
        target=cover_and_crop(sample.target, size),
        mask=cover_and_crop(sample.mask, size),
        object_masks=None
        if objects is None
        else np.stack([cover_and_crop(m, size) for m in objects]),
        without={i: cover_and_crop(frames, size) for i, frames in sample.without.items()},
    )


def digest(sample: Sample) -> str:
    """Hash of all of a clip that results and measures depend on, 16 hexadecimal digits.

    It names the clip's cached results.
    """
    words = (sample.sentence, sample.kind, sample.removed, *sample.turns)
    found = hashlib.sha256(repr(words).encode())
    found.update(repr((sample.described, sorted(sample.without))).encode())
    arrays = [sample.source, sample.target, sample.mask, sample.object_masks]
    arrays += [sample.without[i] for i in sorted(sample.without)]
    for thing in sample.objects:  # what a reply may call them depends on where they are
        look = (thing.noun, thing.colour, thing.rgb, thing.diameter, thing.mirrored)
        found.update(repr(look).encode())
        arrays += [thing.path, thing.tilt]
    for array in arrays:
        if array is not None:
            found.update(repr(array.shape).encode())
            found.update(array.tobytes())
    return found.hexdigest()[:16]


def write_clips(config: GeneratedConfig | ReaderConfig, folder: Path) -> None:
    """Write `<clip>/source/*.png` and `<clip>/sentence.txt`, for methods that are run elsewhere."""
    from PIL import Image

    numbers, read = open_clips(config)
    for number in numbers:
        sample = read(number)
        frames = folder / sample.name / "source"
        frames.mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(sample.source):
            Image.fromarray(frame).save(frames / f"{i:05d}.png")
        (folder / sample.name / "sentence.txt").write_text(sample.sentence + "\n")
