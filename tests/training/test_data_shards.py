"""WebDataset shards: written, read in any order, downloaded and damaged."""

import contextlib
import functools
import http.server
import json
import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lgvi_core.errors import LGVIError
from support.data_sets import FRAMES, SIZE, generated, rng, truncate
from train.data.check import check
from train.data.generated.reader import GeneratedReader
from train.data.generated.samples import make_sample
from train.data.sample import BrokenSample
from train.data.sets.shards import ShardReader
from train.data.write import write_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shards")
    assert write_shards(generated(), root, FRAMES, samples_per_shard=4) == []
    return root


def test_written_shards_read_back_as_generated(shards: Path) -> None:
    reader = pickle.loads(pickle.dumps(ShardReader(shards)))
    assert len(reader) == 6 and len(reader.shards) == 2
    for index in (5, 0, 3, 4):
        expected, found = generated().read(index, FRAMES, rng()), reader.read(index, FRAMES, rng())
        assert np.abs(found.source.astype(int) - expected.source).mean() < 2
        assert np.abs(found.target.astype(int) - expected.target).mean() < 2
        assert np.array_equal(found.mask, expected.mask)
        assert (found.sentence, found.kind) == (expected.sentence, expected.kind)
        assert found.name == expected.name


def test_png_shards_are_lossless_and_pictures_keep_one_frame(tmp_path: Path) -> None:
    write_shards(GeneratedReader("held-out", SIZE, 1, frames=1), tmp_path, 8, "png")
    found = ShardReader(tmp_path).read(0, 24, rng())
    expected = make_sample("held-out", 0, 1, *SIZE)
    assert np.array_equal(found.source, expected.source)
    assert np.array_equal(found.target, expected.target)


def test_a_short_clip_comes_with_all_of_its_frames(shards: Path) -> None:
    assert len(ShardReader(shards, stride=3).read(0, 24, rng()).source) == FRAMES


def test_shards_are_written_the_same_again(tmp_path: Path, shards: Path) -> None:
    write_shards(generated(), tmp_path, FRAMES, samples_per_shard=4)
    for path in shards.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_an_epoch_has_every_sample_once_shard_by_shard(tmp_path: Path, shards: Path) -> None:
    table = json.loads((shards / "index.json").read_text())
    many = [{**table["shardlist"][0], "nsamples": 4}] * 12
    (tmp_path / "index.json").write_text(json.dumps({"shardlist": many}))
    reader = ShardReader(tmp_path)
    order = reader.order(rng(1))
    assert sorted(order) == list(range(48)) and order.tolist() == reader.order(rng(1)).tolist()
    assert order.tolist() != reader.order(rng(2)).tolist()
    for part in np.split(order // 4, 3):
        assert len(set(part)) == 4


class _Quiet(http.server.SimpleHTTPRequestHandler):
    requests: list[str]
    seconds: float

    def do_GET(self) -> None:
        self.requests.append(self.path)
        time.sleep(self.seconds)
        super().do_GET()

    def log_message(self, *_: object) -> None: ...


needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="webdataset downloads with curl"
)


@contextlib.contextmanager
def served(folder: Path, seconds: float = 0) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder over HTTP; yields the URL of its index, and the list of requested paths.

    Every answer takes `seconds`, so that what is asked for at once is seen to be.
    """
    requests: list[str] = []
    handler = type("Handler", (_Quiet,), {"requests": requests, "seconds": seconds})
    serve = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.json", requests
        server.shutdown()


@needs_curl
def test_remote_shards_are_downloaded_once(shards: Path, tmp_path: Path) -> None:
    with served(shards) as (url, requests):
        with pytest.raises(LGVIError, match="set cache_dir"):
            ShardReader(url)
        for _ in range(2):
            found = ShardReader(url, tmp_path / "cache").read(5, FRAMES, rng())
    assert found.sentence == generated().read(5, FRAMES, rng()).sentence
    assert requests.count("/clips-000001.tar") == 1
    assert "/clips-000000.tar" not in requests


class Sentences(torch.utils.data.Dataset):
    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> str:
        return self.reader.read(index, FRAMES, rng()).sentence


@needs_curl
def test_loading_processes_share_what_one_of_them_downloads(shards: Path, tmp_path: Path) -> None:
    with served(shards, seconds=1) as (url, requests):
        data = Sentences(ShardReader(url, tmp_path / "cache"))
        loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=4)
        found = list(loader)
    assert found == [generated().read(i, FRAMES, rng()).sentence for i in range(6)]
    assert sorted(requests[1:]) == ["/clips-000000.tar", "/clips-000001.tar"]
    kept = sorted(path.name[17:] for path in (tmp_path / "cache").glob("*.*") if path.is_file())
    assert kept == ["clips-000000.tar", "clips-000001.tar"]


@needs_curl
def test_a_small_cache_keeps_the_newest_shards(shards: Path, tmp_path: Path) -> None:
    with served(shards) as (url, requests):
        reader = ShardReader(url, tmp_path / "cache", cache_gigabytes=1e-6)
        sentences = [reader.read(index, FRAMES, rng()).sentence for index in (0, 5, 0)]
    assert sentences[0] == sentences[2] != sentences[1]
    assert requests.count("/clips-000000.tar") == 2
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 1


def test_an_index_of_elsewhere_knows_no_conversations(shards: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(shards, tmp_path / "copy"))
    assert ShardReader(root).conversations() == 0
    index = json.loads((root / "index.json").read_text())
    del index["shardlist"][1]["conversations"]
    (root / "index.json").write_text(json.dumps(index))
    assert ShardReader(root).conversations() is None


def test_torn_missing_and_miscounted_shards_are_broken_samples(
    shards: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(shards, tmp_path / "copy"))
    index = json.loads((root / "index.json").read_text())
    truncate(root / "clips-000000.tar")
    with pytest.raises(BrokenSample, match=r"clips-000000.tar: has \d+ bytes, the index says"):
        ShardReader(root).read(0, 1, rng())
    for shard in index["shardlist"]:
        del shard["filesize"]
    (root / "index.json").write_text(json.dumps(index))
    with pytest.raises(BrokenSample, match=r"clips-000000.tar"):
        ShardReader(root).read(0, 1, rng())
    assert ShardReader(root).read(4, 1, rng()).sentence
    report = check(str(root))
    assert (report.total, len(report.problems)) == (6, 4)
    index["shardlist"][1]["nsamples"] = 3
    (root / "index.json").write_text(json.dumps(index))
    with pytest.raises(BrokenSample, match="holds 2 samples, the index says 3"):
        ShardReader(root).read(4, 1, rng())
    (root / "clips-000001.tar").unlink()
    with pytest.raises(BrokenSample, match=r"clips-000001.tar: cannot be read"):
        ShardReader(root).read(4, 1, rng())


def test_an_index_that_is_none_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"shards": []}')
    with pytest.raises(LGVIError, match="no 'shardlist'; found shards"):
        ShardReader(tmp_path)
