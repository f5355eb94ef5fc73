"""WebDataset shards: tar files of samples, for data sets that do not fit on one machine.

    index.json        {"wids_version": 1, "shardlist": [{"url": "clips-000000.tar",
                       "nsamples": 100, "filesize": 123456, "conversations": 60}, ...]}
    clips-000000.tar  <key>.json              {"sentence", "kind", "name": texts, "frames": 8,
                                               "sentences": texts, "conversations": lists of
                                               [request, reply]}
                      <key>.mask.000.png      255 on removed objects; one per frame
                      <key>.source.000.jpg    one per frame; .jpg, .png or .webp
                      <key>.target.000.jpg

An image is a clip of one frame. `sentences` and `conversations` may be missing; where there are
several, each reading draws one. The index's own `conversations` counts the samples that have any,
for `train_lgvi_i`. The index has the format that indexed WebDataset readers share:
URLs are relative to it, or absolute (http, https, or whatever `webdataset.gopen` takes). Remote
shards are downloaded once, into `cache_dir`. Shards must not be compressed, because samples are
read individually, so that any order is possible and a run resumes exactly. `train.data.write`
writes this layout.

All processes with the same `cache_dir` share its shards, and each is downloaded once.
"""

import hashlib
import json
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
from filelock import FileLock

from lgvi_core.errors import LGVIError

from ..pictures import choose_frames, read_grey, read_rgb, stack_frames
from ..sample import BrokenSample, Sample
from .rovi_file import read_conversations

INDEX = "index.json"
LOCKS = ".locks"
"""Folder in `cache_dir` with a lock for each shard, so that one process at a time fetches it."""
_OPEN_SHARDS = 64  # number of shards whose tables of contents are kept in memory
_SHARDS_TOGETHER = 4  # shards whose samples are mixed in an epoch's order

_Contents = list[dict[str, tuple[int, int]]]  # for each sample: suffix to (offset, size)


class ShardReader:
    """Reader of the samples in all shards of an index, in the index's order.

    `index` is the path or URL of the index, or a folder that holds `index.json`. Raises LGVIError
    if it cannot be read; the samples of a missing or damaged shard are broken. At most
    `cache_gigabytes` of remote shards stay on the disk, the most recently downloaded ones.
    """

    def __init__(
        self,
        index: str | Path,
        cache_dir: Path | None = None,
        stride: int = 1,
        cache_gigabytes: float | None = None,
    ) -> None:
        self.index = str(index)
        if not _is_remote(self.index) and Path(self.index).is_dir():
            self.index = str(Path(self.index) / INDEX)
        self.cache_dir, self.stride = cache_dir, stride
        self.cache_bytes = -1 if cache_gigabytes is None else round(cache_gigabytes * 1e9)
        self.shards = _read_index(self.index)
        remote = [shard["url"] for shard in self.shards if _is_remote(shard["url"])]
        if remote and cache_dir is None:
            raise LGVIError(f"{remote[0]} is downloaded: set cache_dir to a folder for the shards")
        self.ends = np.cumsum([shard["nsamples"] for shard in self.shards])
        self.contents: OrderedDict[int, tuple[Path, _Contents]] = OrderedDict()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """See `Reader.order`; a few shards at a time are mixed, so that each is fetched once."""
        starts = np.concatenate([[0], self.ends[:-1]])
        shards = rng.permutation(len(self.shards))
        parts = []
        for first in range(0, len(shards), _SHARDS_TOGETHER):
            group = shards[first : first + _SHARDS_TOGETHER]
            indices = np.concatenate([np.arange(starts[i], self.ends[i]) for i in group])
            parts.append(rng.permutation(indices))
        return np.concatenate(parts)

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """See `Reader.read`."""
        path, files, facts, name = self._locate(index)
        stored = _count(facts, name)
        chosen = choose_frames(rng, stored, frames, self.stride)
        return _load(path, files, facts, name, chosen, rng)

    def frames_of(self, index: int) -> int:
        """The number of frames of sample `index`."""
        *_, facts, name = self._locate(index)
        return _count(facts, name)

    def examine(self, index: int) -> Sample:
        """Read all frames of a sample."""
        path, files, facts, name = self._locate(index)
        chosen = list(range(_count(facts, name)))
        return _load(path, files, facts, name, chosen, np.random.default_rng(0))

    def conversations(self) -> int | None:
        """See `Reader.conversations`; an index of elsewhere may not tell."""
        counts = [shard.get("conversations") for shard in self.shards]
        known = [count for count in counts if isinstance(count, int)]
        return sum(known) if len(known) == len(counts) else None

    def _locate(self, index: int) -> tuple[Path, dict[str, tuple[int, int]], dict[str, Any], str]:
        """The shard's file, and the sample's members in it, its JSON facts and its name."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        shard = int(np.searchsorted(self.ends, index, side="right"))
        position = index - int(self.ends[shard] - self.shards[shard]["nsamples"])
        url = self.shards[shard]["url"]
        path, contents = self._open(shard)
        name = f"{url}, sample {position}"
        files = contents[position]
        if "json" not in files:
            raise BrokenSample(f"{name}: has no .json; found {', '.join(sorted(files))}")
        try:
            facts = json.loads(_bytes(path, files["json"]))
        except ValueError as error:
            raise BrokenSample(f"{name}: its .json cannot be read: {error}") from error
        if not isinstance(facts, dict):
            raise BrokenSample(f"{name}: its .json is no table")
        return path, files, facts, name

    def _open(self, shard: int) -> tuple[Path, _Contents]:
        # Another process may have deleted the file to make room in the cache.
        if shard in self.contents and self.contents[shard][0].is_file():
            self.contents.move_to_end(shard)
            return self.contents[shard]
        facts = self.shards[shard]
        path = self._fetch(facts["url"])
        try:
            size = path.stat().st_size
            if size != facts.get("filesize", size):
                raise BrokenSample(f"{path}: has {size} bytes, the index says {facts['filesize']}")
            contents = _read_contents(path)
        except (OSError, tarfile.TarError) as error:
            raise BrokenSample(f"{path}: cannot be read as an uncompressed tar: {error}") from error
        if len(contents) != facts["nsamples"]:
            raise BrokenSample(
                f"{path}: holds {len(contents)} samples, the index says {facts['nsamples']}"
            )
        self.contents[shard] = path, contents
        if len(self.contents) > _OPEN_SHARDS:
            self.contents.popitem(last=False)
        return path, contents

    def _fetch(self, url: str) -> Path:
        if not _is_remote(url):
            return Path(url)
        assert self.cache_dir is not None
        from webdataset.cache import FileCache

        # The cache deletes what is oldest, locks too, but taking a lock makes it new.
        locks = self.cache_dir / LOCKS
        locks.mkdir(parents=True, exist_ok=True)
        cache = FileCache(
            cache_dir=str(self.cache_dir), url_to_name=_cache_name, cache_size=self.cache_bytes
        )
        try:
            # The loading processes of a node start on the same shards: the first downloads each,
            # and the others wait for it.
            with FileLock(locks / _cache_name(url)):
                return Path(cache.get_file(url))
        except Exception as error:  # downloaders raise many types of errors
            raise BrokenSample(f"{url}: cannot be downloaded: {error}") from error


def _load(
    path: Path,
    files: dict[str, tuple[int, int]],
    facts: dict[str, Any],
    name: str,
    chosen: list[int],
    rng: np.random.Generator,
) -> Sample:
    parts = {}
    for part, read in (("source", read_rgb), ("target", read_rgb), ("mask", read_grey)):
        pictures = []
        for number in chosen:
            suffix = _member(files, f"{part}.{number:03d}.", name)
            pictures.append(read(_bytes(path, files[suffix]), f"{name}, {suffix}"))
        parts[part] = stack_frames(pictures, f"{name}, {part}")
    shapes = {part: stack.shape[:3] for part, stack in parts.items()}
    if len(set(shapes.values())) > 1:
        raise BrokenSample(f"{name}: source, target and mask differ in size: {shapes}")
    if not isinstance(sentence := facts.get("sentence"), str):
        raise BrokenSample(f"{name}: no 'sentence' in its .json; found {', '.join(facts)}")
    sentences = facts.get("sentences") or [sentence]
    if not isinstance(sentences, list) or not all(isinstance(text, str) for text in sentences):
        raise BrokenSample(f"{name}: 'sentences' in its .json must be a list of texts")
    try:
        talks = tuple(read_conversations(facts.get("conversations") or [], name))
    except LGVIError as error:
        raise BrokenSample(str(error)) from error
    return Sample(
        parts["source"],
        parts["target"],
        parts["mask"],
        sentences[rng.integers(len(sentences))],
        str(facts.get("name") or name),
        str(facts.get("kind") or ""),
        turns=talks[rng.integers(len(talks))] if talks else (),
        sentences=tuple(sentences),
        conversations=talks,
    )


def _count(facts: dict[str, Any], name: str) -> int:
    frames = facts.get("frames")
    if not isinstance(frames, int) or frames < 1:
        raise BrokenSample(f"{name}: its .json says frames {frames!r}")
    return frames


def _member(files: dict[str, tuple[int, int]], start: str, name: str) -> str:
    for suffix in files:
        if suffix.startswith(start):
            return suffix
    raise BrokenSample(f"{name}: has no {start}*")


def _bytes(path: Path, place: tuple[int, int]) -> bytes:
    offset, size = place
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise BrokenSample(f"{path}: cannot be read: {error}") from error


def _read_contents(path: Path) -> _Contents:
    """Offsets and sizes of each sample's files in a tar; the files of a sample are adjacent."""
    from webdataset.tariterators import base_plus_ext

    samples: _Contents = []
    last = None
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            key, suffix = base_plus_ext(member.name) if member.isfile() else (None, None)
            if key is None or suffix is None:
                continue
            if key != last:
                samples.append({})
                last = key
            samples[-1][suffix.lower()] = (member.offset_data, member.size)
    return samples


def _read_index(index: str) -> list[dict[str, Any]]:
    """The index's records of shards, with absolute URLs or paths."""
    try:
        if _is_remote(index):
            from webdataset import gopen

            with gopen(index) as stream:
                table = json.loads(stream.read())
        else:
            table = json.loads(Path(index).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{index} cannot be read as an index of shards: {error}") from error
    shards = table.get("shardlist") if isinstance(table, dict) else None
    if not isinstance(shards, list) or not shards:
        found = ", ".join(table) if isinstance(table, dict) else type(table).__name__
        raise LGVIError(f"{index}: no 'shardlist'; found {found}")
    for shard in shards:
        if not {"url", "nsamples"} <= shard.keys() or int(shard["nsamples"]) < 1:
            raise LGVIError(f"{index}: a shard needs url and nsamples; found {shard}")
    return [{**shard, "url": _resolve(index, shard["url"])} for shard in shards]


def _resolve(index: str, url: str) -> str:
    if _is_remote(url):
        return url
    return urljoin(index, url) if _is_remote(index) else str(Path(index).parent / url)


def _is_remote(url: str) -> bool:
    return len(urlsplit(url).scheme) > 1  # a single letter is a Windows drive


def _cache_name(url: str) -> str:
    """A unique file name for a URL, even if another URL ends in the same name."""
    return f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{Path(urlsplit(url).path).name}"
