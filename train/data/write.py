"""Write clips as a data set on disk, in ROVI's layout or as WebDataset shards.

    python -m train.data.write --layout rovi --output data/generated --clips 1000 --frames 24
    python -m train.data.write --layout shards --output data/shards --source rovi.yaml --frames 24

Without --source the clips are generated, and the same arguments give the same clips. A source is a
YAML file with the keys of one data set of a training configuration (see `train.data.readers`). The
layouts are described in `train.data.sets.rovi` and `train.data.sets.shards`; both keep all of a
sample's sentences and conversations. In ROVI's layout every clip becomes one video, and all of its
objects to remove are object 1 together.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import yaml
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from lgvi_core.errors import LGVIError

from ..engine.files import write_text
from ..engine.workers import map_in_workers
from .drawn.emoji import FONT
from .generated.reader import GeneratedReader
from .readers import DataSource, open_reader
from .sample import BrokenSample, Reader, Sample
from .sets.rovi import FRAMES_FOLDER, MASKS_FOLDER, TARGETS_FOLDER
from .sets.shards import INDEX

logger = logging.getLogger(__name__)

PictureFormat = Literal["jpg", "png"]
Files = dict[str, bytes]  # path under the output, or suffix in a shard, to content
_FRAME_STEP = 5  # step of the numbers in frame names; ROVI has every 5th frame of a video
_JPEG_QUALITY = 95
_OBJECT = 1  # id of the removed object in annotations
_PALETTE = (0, 0, 0, 236, 95, 103)  # RGB of the background and of object 1


def write_rovi(
    reader: Reader,
    output: Path,
    frames: int,
    split_file: str = "train.json",
    picture_format: PictureFormat = "jpg",
    workers: int = 1,
) -> list[str]:
    """Write every sample as a video in ROVI's layout, under `output`.

    Broken samples are left out; their reasons are returned.
    """
    videos: dict[str, object] = {}
    broken = []
    encode = partial(_rovi_files, picture_format)
    for index, made in _encoded(reader, frames, encode, workers):
        if isinstance(made, str):
            broken.append(made)
            continue
        sample, files = made
        video = f"{index:06d}"
        for name, content in files.items():
            path = output / name.format(video=video)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        entry = {
            "expressions": sample["sentences"],
            "conversations": sample["conversations"],
            "kind": sample["kind"],
            "name": sample["name"],
        }
        videos[video] = {"objects": {str(_OBJECT): entry}}
    _write_index(output / split_file, videos)
    return broken


def write_shards(
    reader: Reader,
    output: Path,
    frames: int,
    picture_format: PictureFormat = "jpg",
    samples_per_shard: int = 100,
    workers: int = 1,
) -> list[str]:
    """Write the samples as WebDataset shards under `output`, and then their index.

    Broken samples are left out; their reasons are returned.
    """
    from webdataset import ShardWriter

    output.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, object]] = []
    broken = []
    talks = [0]  # samples with conversations, for each shard

    def note(name: str) -> None:
        facts = {"url": Path(name).name, "nsamples": writer.count}
        size = Path(name).stat().st_size
        shards.append({**facts, "filesize": size, "conversations": talks[-1]})
        talks.append(0)

    pattern = str(output).replace("%", "%%") + "/clips-%06d.tar"
    writer = ShardWriter(
        pattern, maxcount=samples_per_shard, post=note, verbose=0, mtime=0, encoder=False
    )
    for index, made in _encoded(reader, frames, partial(_shard_files, picture_format), workers):
        if isinstance(made, str):
            broken.append(made)
        else:
            writer.write({"__key__": f"{index:09d}", **made[1]})
            talks[-1] += bool(made[0]["conversations"])
    writer.close()
    _write_index(output / INDEX, {"wids_version": 1, "shardlist": shards})
    return broken


def _rovi_files(picture_format: PictureFormat, sample: Sample) -> Files:
    files = {}
    for i, (source, target, mask) in enumerate(
        zip(sample.source, sample.target, sample.mask, strict=True)
    ):
        number = f"{i * _FRAME_STEP:05d}"
        annotation = Image.fromarray((mask > 127).astype(np.uint8) * _OBJECT, mode="L")
        annotation.putpalette(_PALETTE)
        picture = f"{number}.{picture_format}"
        files[f"{FRAMES_FOLDER}/{{video}}/{picture}"] = _picture(source, picture_format)
        files[f"{TARGETS_FOLDER}/{{video}}/{_OBJECT}/{picture}"] = _picture(target, picture_format)
        files[f"{MASKS_FOLDER}/{{video}}/{number}.png"] = _encode(annotation, "PNG")
    return files


def _shard_files(picture_format: PictureFormat, sample: Sample) -> Files:
    facts = {**_facts(sample), "frames": len(sample.source)}
    files = {"json": json.dumps(facts).encode()}
    for i, (source, target, mask) in enumerate(
        zip(sample.source, sample.target, sample.mask, strict=True)
    ):
        files[f"source.{i:03d}.{picture_format}"] = _picture(source, picture_format)
        files[f"target.{i:03d}.{picture_format}"] = _picture(target, picture_format)
        files[f"mask.{i:03d}.png"] = _encode(Image.fromarray(mask), "PNG")
    return files


def _facts(sample: Sample) -> dict[str, Any]:
    talks = sample.conversations or ((sample.turns,) if sample.turns else ())
    return {
        "sentence": sample.sentence,
        "sentences": list(sample.sentences or (sample.sentence,)),
        "conversations": [[list(turn) for turn in talk] for talk in talks],
        "kind": sample.kind,
        "name": sample.name,
    }


def _picture(frame: np.ndarray, picture_format: PictureFormat) -> bytes:
    if picture_format == "png":
        return _encode(Image.fromarray(frame), "PNG")
    return _encode(Image.fromarray(frame), "JPEG", quality=_JPEG_QUALITY, subsampling=0)


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


_Encoded = tuple[dict[str, Any], Files] | str
"""A sample's facts and files, or the reason why it is broken."""


def _encoded(
    reader: Reader, frames: int, encode: Callable[[Sample], Files], workers: int
) -> Iterator[tuple[int, _Encoded]]:
    """Yield all encoded samples with their indices, in order."""
    encoder = _Encoder(reader, frames, encode)
    numbers = range(len(reader))
    done = map_in_workers(encoder, numbers, workers if workers > 1 else 0)
    yield from enumerate(tqdm(done, total=len(numbers), unit="clip"))


@dataclass(frozen=True)
class _Encoder:
    """Factory of a function that reads and encodes one sample by its index, in any process."""

    reader: Reader
    frames: int
    encode: Callable[[Sample], Files]

    def __call__(self) -> Callable[[int], _Encoded]:
        return self._sample

    def _sample(self, index: int) -> _Encoded:
        try:
            sample = self.reader.read(index, self.frames, np.random.default_rng([0, index]))
        except BrokenSample as error:
            return str(error)
        return _facts(sample), self.encode(sample)


def _write_index(path: Path, content: object) -> None:
    """Write the index; it comes last, so that a data set with an index is complete."""
    write_text(path, json.dumps(content, indent=1))


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 320x512")
    return int(height), int(width)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--layout", choices=("rovi", "shards"), required=True, help="how it lies on disk")
    add("--output", type=Path, required=True, help="folder to write, empty or new")
    add("--frames", type=int, required=True, help="frames of every clip, at most")
    add("--source", type=Path, help="YAML file of a data set to copy instead of generating")
    add("--clips", type=int, default=1000, help="generated clips")
    add("--size", type=_size, default=(320, 512), help="HEIGHTxWIDTH of generated clips")
    add("--split", choices=("train", "held-out"), default="train", help="of generated clips")
    add("--seed", type=int, default=0, help="number of the first generated clip")
    add("--turned", action="store_true", help="most objects turned by any angle")
    add("--photographs", action="store_true", help="scikit-image's as half of the backgrounds")
    add("--emoji", action="store_true", help="emoji as half of the objects")
    add("--emoji-font", type=Path, default=FONT, help="file of Noto Color Emoji")
    add("--format", choices=("jpg", "png"), default="jpg", help="of frames; masks are PNG")
    add("--samples-per-shard", type=int, default=100, help="clips in one tar file")
    add("--workers", type=int, default=1, help="processes")
    return parser


def main() -> None:
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _run(args)
    except (LGVIError, ValidationError) as error:
        sys.exit(str(error))


def _run(args: argparse.Namespace) -> None:
    if args.output.exists() and any(args.output.iterdir()):
        raise LGVIError(f"{args.output} is not empty: give a new folder")
    if args.source is not None:
        content = yaml.safe_load(args.source.read_text(encoding="utf-8"))
        reader = open_reader(TypeAdapter(DataSource).validate_python(content))
    else:
        reader = GeneratedReader(
            args.split,
            args.size,
            args.clips,
            args.seed,
            turned=args.turned,
            photographs=args.photographs,
            emoji_font=args.emoji_font if args.emoji else None,
        )
    chosen = cast(PictureFormat, args.format)
    if args.layout == "rovi":
        split_file = "test.json" if args.split == "held-out" else "train.json"
        broken = write_rovi(reader, args.output, args.frames, split_file, chosen, args.workers)
    else:
        broken = write_shards(
            reader, args.output, args.frames, chosen, args.samples_per_shard, args.workers
        )
    for reason in broken:
        logger.warning("left out: %s", reason)
    logger.info("%s: %d samples, %d left out", args.output, len(reader) - len(broken), len(broken))


if __name__ == "__main__":
    main()
