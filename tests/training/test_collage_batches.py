"""Collages as training data: shards, the pool that draws them, batches, and a short run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgvi_core.checkpoint.files import read_metadata
from lgvi_core.errors import LGVIError
from support.collages import write_collage_folder
from support.train_run import tiny_values
from train.collage_cache import write_cache
from train.data.collage.scenes import Thing
from train.engine import checkpoints
from train.engine.precision import fast_autocast, has_fast_bfloat16
from train.export import export
from train.lgvi import collage_cache, collage_shards
from train.lgvi.attributes import COLLAGES, IGNORED_LABEL
from train.lgvi.batches import Rank
from train.lgvi.collage_batches import CollageBatches, visible_coverage
from train.lgvi.collage_cache import CollageShard, read_shard, stored_subsets
from train.lgvi.collage_pool import CollagePool
from train.lgvi.config import TrainConfig
from train.lgvi.data_config import CollageConfig
from train.lgvi.model import build_tokenizer
from train.lgvi.text import Sentences
from train.train_lgvi import train

DATA = {
    "videos": [],
    "images": [],
    "size": [320, 512],
    "batch_images": 4,
    "batch_videos": 2,
    "video_frames": [2],
    "video_share": 0.5,
}


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    """Shards of few collages, so that drawing takes no time."""
    patch = pytest.MonkeyPatch()
    for module in (collage_cache, collage_shards):
        patch.setattr(module, "SHARD_COLLAGES", {"image": 6, "video": 3})
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_collage_folder(tmp_path_factory.mktemp("collage"))


def config_of(output: Path, folder: Path, cache: Path, **changes) -> TrainConfig:
    collages = {"folder": str(folder), "first_shards": 5, "steps_per_shard": 2}
    data = {**DATA, "cache": str(cache), "collages": collages}
    return TrainConfig.model_validate(tiny_values(output, data=data, **changes))


def fake_encode(frames: np.ndarray) -> torch.Tensor:
    count, height, width, _ = frames.shape
    means = frames.reshape(count, height // 8, 8, width // 8, 8, 3).mean((2, 4)) / 255
    return (
        torch.from_numpy(np.concatenate([means, means[..., :1]], -1))
        .movedim(-1, 1)
        .half()
        .contiguous()
    )


def pool_of(folder: Path, cache: Path, rank: Rank | None = None, **plan) -> CollagePool:
    values = {"folder": folder, "first_shards": 5, "steps_per_shard": 2, **plan}
    return CollagePool(CollageConfig(**values), cache, lambda: fake_encode, rank or Rank())


def things(count: int) -> list[Thing]:
    path = np.zeros((1, 2))
    return [Thing(("dog", "cat")[i % 2], "red", path, np.ones(1), path) for i in range(count)]


def test_shards_have_their_places_and_alternate_between_sizes() -> None:
    shards = [CollageShard.at(place) for place in range(20)]
    assert len({s.file_name for s in shards}) == 20
    assert [s.kind for s in shards[:5]] == ["image"] * 4 + ["video"]
    assert len({s.size(((8, 8), (8, 16))) for s in shards if s.kind == "video"}) == 2


@pytest.mark.parametrize("count", range(7))
def test_stored_subsets_begin_with_all_and_allow_to_remove_any_one(count: int) -> None:
    found = stored_subsets(things(count), np.random.default_rng(0))
    whole = tuple(range(count))
    assert found[0] == whole and () in found and len(set(found)) == len(found)
    for index in whole:
        assert tuple(i for i in whole if i != index) in found
    assert len(found) <= max(4, count + 4)


def test_a_shard_is_read_as_it_was_drawn(folder: Path, tmp_path: Path) -> None:
    for place in (0, 4):
        shard = CollageShard.at(place)
        drawn = collage_shards.draw_shard(shard, CollageConfig(folder=folder))
        collage_shards.write_shard(drawn, fake_encode, tmp_path)
        found = read_shard(tmp_path / shard.file_name, shard)
        assert len(found) == {"image": 6, "video": 3}[shard.kind]
        assert sum(c.latents.shape[0] * shard.frames for c in found) == len(drawn.frames)
        for collage in found:
            count = len(collage.things)
            assert collage.masks.shape[:2] == (count, shard.frames)
            assert collage.shares.shape == (count, shard.frames)
            assert all(t.path.shape == (shard.frames, 2) for t in collage.things)


def test_a_file_that_is_no_shard_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"latents": torch.zeros(1)}, tmp_path / "image-00000.safetensors")
    with pytest.raises(LGVIError, match="no shard of collages"):
        read_shard(tmp_path / "image-00000.safetensors", CollageShard("image", 0))


def test_the_pool_draws_what_is_missing_and_a_step_sees_only_its_own(
    folder: Path, tmp_path: Path
) -> None:
    pool = pool_of(folder, tmp_path)
    five = pool.groups(5, ("image", "video"))
    assert sum(map(len, five)) == 4 * 6 + 3
    assert len(list(tmp_path.glob("*.safetensors"))) == 5
    eight = pool.groups(8, ("image",))
    assert sum(map(len, eight)) == 7 * 6
    # A pool that already holds more gives a step the same as one that does not.
    again = pool.groups(5, ("image", "video"))
    fresh = pool_of(folder, tmp_path).groups(5, ("image", "video"))
    assert [len(g) for g in again] == [len(g) for g in fresh] == [len(g) for g in five]
    assert all(
        torch.equal(a.latents, b.latents)
        for one, two in zip(again, fresh, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    newest = pool_of(folder, tmp_path, keep_shards=2).groups(8, ("image",))
    assert sum(map(len, newest)) == 2 * 6


def test_other_processes_wait_for_the_first_one(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("train.lgvi.collage_pool.WAIT", 0.5)
    with pytest.raises(LGVIError, match="was not drawn within an hour"):
        pool_of(folder, tmp_path, Rank(1, 2)).groups(1, ("image",))
    with pytest.raises(LGVIError, match="was not drawn within an hour"):
        pool_of(folder, tmp_path, drawn_elsewhere=True).groups(1, ("image",))
    pool_of(folder, tmp_path).groups(1, ("image",))
    assert pool_of(folder, tmp_path, Rank(1, 2)).groups(1, ("image",))
    assert pool_of(folder, tmp_path, drawn_elsewhere=True).groups(1, ("image",))


def test_what_is_hidden_does_not_count() -> None:
    masks = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    masks[0, 0, 0] = 255
    masks[1, 0, :, 0] = 255
    visible = visible_coverage(masks, (0, 1))
    assert visible[0, 0].tolist() == [[0, 1], [0, 0]] and visible[1, 0, :, 0].tolist() == [1, 1]
    assert visible_coverage(masks, (0,))[0, 0].tolist() == [[1, 1], [0, 0]]
    assert visible.sum(0)[0].tolist() == [[1, 1], [1, 0]]


def test_batches_hold_what_their_sentences_say(folder: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", folder, tmp_path / "cache", max_steps=20)
    pool = pool_of(folder, tmp_path / "cache")
    pool.groups(15, ("image",))  # so that the real encoder is not needed
    batches = CollageBatches(config, Sentences(build_tokenizer(config)))
    removals = kept = 0
    for number in range(20):
        batch = batches[number]
        same = batches[number]
        assert torch.equal(batch.source, same.source) and torch.equal(batch.text, same.text)
        assert batch.attributes is not None
        known = batch.attributes[:, 0]
        assert known.max() < len(COLLAGES.nouns) and known.min() >= IGNORED_LABEL
        for index in range(batch.samples):
            mask = batch.mask[index, 0]
            changed = (batch.source[index] - batch.target[index]).abs().sum(0) > 0.05
            if mask.max() == 0:
                kept += int(not changed.any())
                continue
            removals += 1
            assert changed.any() and (mask <= batch.objects[index, 0] + 1e-6).all()
    assert removals > 15 and kept > 5


def test_configurations_that_cannot_be_served_are_named(folder: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", folder, tmp_path / "cache")
    text = Sentences(build_tokenizer(config))
    long = config.model_copy(update={"data": config.data.model_copy(update={"video_frames": (8,)})})
    with pytest.raises(LGVIError, match="video_frames asks for 8"):
        CollageBatches(long, text)
    plan = CollageConfig(folder=folder, first_shards=2)
    few = config.model_copy(update={"data": config.data.model_copy(update={"collages": plan})})
    with pytest.raises(LGVIError, match="first_shards"):
        CollageBatches(few, text)
    with pytest.raises(LGVIError, match=r"no data\.collages"):
        write_cache(TrainConfig.model_validate(tiny_values(tmp_path / "other")), 1, 0)


def test_half_precision_only_where_it_is_fast(monkeypatch) -> None:
    for fast in (False, True):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert has_fast_bfloat16(torch.device("cpu")) == fast
        with fast_autocast(torch.device("cpu")):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if fast else torch.float32)
    assert has_fast_bfloat16(torch.device("cuda"))


@pytest.mark.training
def test_a_stopped_run_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    changes = {
        "loss": {"attribute_weight": 0.1},
        "max_steps": 4,
        "checkpoint_every": 2,
    }
    whole = config_of(tmp_path / "whole", folder, tmp_path / "cache", **changes)
    train(whole)
    part = config_of(tmp_path / "part", folder, tmp_path / "cache", **changes)
    train(part)
    shutil.rmtree(part.output / "checkpoints" / "step-00000004")  # as if it was killed before
    train(part)
    ends = [
        load_file(checkpoints.newest(c.output / "checkpoints") / checkpoints.WEIGHTS)
        for c in (whole, part)
    ]
    assert not any(name.startswith("attribute_heads.") for name in ends[0])
    changed = [n for n in ends[0] if not torch.equal(ends[0][n], ends[1][n])]
    assert not changed, changed[:3]
    export(whole.output, tmp_path / "exported", "MIT")
    known = json.loads((tmp_path / "exported" / "vocabulary.json").read_text())
    assert known["nouns"]["dog"] == ["puppy", "doggy", "hound", "pup"]
    assert "crimson" in known["colours"]["red"]
    export(whole.output, tmp_path / "exported.safetensors", "MIT")
    metadata = read_metadata(tmp_path / "exported.safetensors")
    assert json.loads(metadata["vocabulary"]) == known
    assert str(folder) not in json.dumps(metadata)
