"""Data sets: opened by configuration, read in loader processes, and checked."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file

from lgvi_core.errors import LGVIError
from support.data_sets import (
    FRAMES,
    ONE_ENTRY,
    SIZE,
    generated,
    handmade_gqa,
    handmade_rovi,
    rng,
    truncate,
    write_picture,
)
from train.data.check import check, detect
from train.data.check import main as check_main
from train.data.generated.reader import GeneratedReader
from train.data.heldout.assets import Assets, first_nouns, read_nouns
from train.data.heldout.placing import Maker
from train.data.heldout.reader import HeldOutReader
from train.data.heldout.strata import all_clips
from train.data.heldout.write import write_clips
from train.data.readers import DataSource, EvaluationSource, open_reader
from train.data.sets.gqa_inpaint import GqaInpaintReader
from train.data.sets.rovi import RoviReader
from train.data.sets.shards import ShardReader
from train.data.write import main as write_main
from train.data.write import write_rovi, write_shards


@pytest.fixture(scope="module")
def rovi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rovi")
    assert write_rovi(generated(), root, FRAMES) == []
    return root


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shards")
    assert write_shards(generated(), root, FRAMES, samples_per_shard=4) == []
    return root


def one_held_out(folder: Path) -> Path:
    """A folder of one held-out clip."""
    maker = Maker(Assets(None), read_nouns(), first_nouns())
    write_clips([next(all_clips(maker, 0, 0.01))], maker.assets, folder)
    return folder


def test_every_source_is_opened_by_its_kind(rovi: Path, shards: Path, tmp_path: Path) -> None:
    sources = [
        ({"kind": "rovi", "root": str(rovi)}, RoviReader),
        ({"kind": "gqa_inpaint", "root": str(handmade_gqa(tmp_path))}, GqaInpaintReader),
        ({"kind": "shards", "index": str(shards)}, ShardReader),
        ({"kind": "generated", "size": SIZE, "count": 3}, GeneratedReader),
        ({"kind": "heldout", "root": str(one_held_out(tmp_path / "heldout"))}, HeldOutReader),
    ]
    for keys, expected in sources:
        reader = open_reader(TypeAdapter(EvaluationSource).validate_python(keys))
        assert isinstance(reader, expected)
        assert sorted(reader.order(rng())) == list(range(len(reader)))
    with pytest.raises(ValidationError, match="strid"):
        TypeAdapter(DataSource).validate_python({"kind": "rovi", "root": ".", "strid": 5})
    with pytest.raises(ValidationError, match="heldout"):
        TypeAdapter(DataSource).validate_python({"kind": "heldout", "root": "."})


def test_readers_work_in_loader_processes(shards: Path) -> None:
    class Sentences(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.reader = ShardReader(shards)

        def __len__(self) -> int:
            return len(self.reader)

        def __getitem__(self, index: int) -> str:
            return self.reader.read(index, 2, rng(index)).sentence

    loader = torch.utils.data.DataLoader(Sentences(), batch_size=None, num_workers=2)
    assert list(loader) == [generated().read(i, FRAMES, rng()).sentence for i in range(6)]


def test_the_check_reports_what_a_whole_data_set_holds(rovi: Path, shards: Path) -> None:
    text = str(check(str(rovi), options={"max_area": 1}))
    for words in ("rovi: 6 samples", "videos: 6", "sizes: 48x32 (6)", "nothing is broken"):
        assert words in text
    assert "frames: 4 to 4" in text
    assert "conversations: 0 have one; train_lgvi_i makes replies of the sentences of 6" in text
    text = str(check(str(shards), limit=3))
    assert "shards: 6 samples, 3 read" in text and "kinds of sentences" in text


def test_the_check_judges_clips_as_a_training_of_that_length_does(tmp_path: Path) -> None:
    root = handmade_rovi(tmp_path / "short", ONE_ENTRY, ["a", "b", "c"])
    for i, name in enumerate("abc"):  # a target like its source outside the mask
        shutil.copy(root / f"JPEGImages/v/{name}.png", root / f"InpaintImages/v/1/{name}.png")
        write_picture(root / f"InpaintImages/v/1/{name}.png", np.full((*SIZE, 3), i + 2, np.uint8))
    assert check(str(root)).problems == check(str(root), frames=3).problems == []
    assert "shorter than" not in str(check(str(root), frames=3))
    report = check(str(root), frames=24)
    assert report.problems == []
    assert "shorter than 24 frames: 1, the shortest of 3; training fills them up" in str(report)
    one = handmade_rovi(tmp_path / "one", ONE_ENTRY, ["a"])
    write_picture(one / "InpaintImages/v/1/a.png", np.full((*SIZE, 3), 2, np.uint8))
    assert check(str(one), frames=1).problems == []
    report = check(str(one), frames=24)
    assert report.problems == [
        "v/1: has one frame, so it is no clip: list pictures under data.images"
    ]
    assert "a training stops: more than 1% are broken" in str(report)


def test_the_check_finds_pictures_that_contradict_their_mask(tmp_path: Path) -> None:
    root = handmade_rovi(tmp_path, ONE_ENTRY, ["a"])
    (problem,) = check(str(root)).problems
    assert "v/1: source and target differ by 99 outside the mask" in problem
    shutil.copy(root / "JPEGImages/v/a.png", root / "InpaintImages/v/1/a.png")
    (problem,) = check(str(root)).problems
    assert "the same, though the mask is not empty" in problem


def test_the_check_reads_cached_latents(tmp_path: Path) -> None:
    good = {
        "latents": torch.zeros(6, 4, 8, 8, dtype=torch.float16),
        "masks": torch.zeros(2, 8, 8, dtype=torch.uint8),
    }
    save_file(good, tmp_path / "image-00000.safetensors")
    assert detect(str(tmp_path)) == "latents" and not check(str(tmp_path)).problems
    save_file({**good, "latents": good["latents"] / 0}, tmp_path / "image-00001.safetensors")
    save_file({"latents": good["latents"]}, tmp_path / "video-00000.safetensors")
    save_file(good, tmp_path / "video-00001.safetensors")
    truncate(tmp_path / "video-00001.safetensors")
    problems = check(str(tmp_path)).problems
    assert [p.split(": ", 1)[1].split(";")[0][:24] for p in problems] == [
        "latents hold values that",
        "needs latents and masks",
        "cannot be read: Error wh",
    ]


def test_the_check_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(LGVIError, match=r"none of rovi.*found: notes.txt"):
        check(str(tmp_path))


def test_the_commands_and_their_exit_codes(tmp_path: Path, monkeypatch, capsys) -> None:
    def run(main, *args: str) -> object:
        monkeypatch.setattr(sys, "argv", ["command", *args])
        try:
            main()
        except SystemExit as stop:
            return stop.code
        return 0

    output = str(tmp_path / "data")
    write = ("--output", output, "--clips", "2", "--frames", "2", "--size", "32x48")
    assert run(write_main, "--layout", "rovi", *write) == 0
    assert "is not empty: give a new folder" in str(run(write_main, "--layout", "rovi", *write))
    capsys.readouterr()
    assert run(check_main, output, "--workers", "1") == 0
    assert "2 samples, 2 read" in capsys.readouterr().out
    truncate(tmp_path / "data/JPEGImages/000001/00000.jpg")
    assert run(check_main, output, "--workers", "2") == 1
    assert "JPEGImages/000001/00000.jpg: cannot be read" in capsys.readouterr().out
    assert "no 'exp'" in str(
        run(check_main, output, "--options", '{"fields": {"sentence": "exp"}}')
    )
