"""Examples that people keep: whole or not at all, and read back by the training."""

import json
import shutil
import subprocess
import sys
import time

import pytest
import torch

from lgvi_core.chat.conversation import Turn
from lgvi_core.errors import LGVIError
from lgvi_core.examples import Example, save_example
from tools.paths import ROOT
from train.data.check import check
from train.data.readers import RoviSource, open_reader


def example(**changes):
    source = torch.linspace(0, 1, 5 * 32 * 48 * 3).reshape(5, 32, 48, 3)
    mask = torch.zeros(1, 32, 48)
    mask[:, 8:16, 8:20] = 0.7
    result = torch.where(mask[..., None] > 0, 0.25, source)
    parts = {"source": source, "result": result, "mask": mask, "sentence": "remove  the cup\n"}
    return Example(**{**parts, **changes})


def test_what_is_saved_is_what_the_training_reads(tmp_path):
    kept = example(
        turns=(Turn("no cups", "Sure {{prompt}} remove the cup {{/prompt}}"),),
        predicted=torch.zeros(5, 32, 48, 3),
        predicted_mask=torch.ones(5, 32, 48),
    )
    first, second = (save_example(tmp_path / "mine", one) for one in (kept, example()))
    assert (first.count, second.count) == (1, 2)
    assert first.largest == pytest.approx(96 / (32 * 48))
    report = check(str(tmp_path / "mine"), workers=1)
    assert report.problems == []
    assert report.total == 2
    reader = open_reader(RoviSource(kind="rovi", root=tmp_path / "mine", stride=1))
    sample = reader.examine(0)
    assert sample.sentence == "remove the cup"
    assert sample.turns == (("no cups", "Sure {{prompt}} remove the cup {{/prompt}}"),)
    assert sample.mask[:, 8:16, 8:20].all()
    assert sample.mask.sum() == 5 * 96 * 255
    difference = torch.from_numpy(sample.target).float() / 255 - kept.result
    assert difference.abs().mean() < 0.02
    assert len(list((tmp_path / "mine/Predicted" / first.name).iterdir())) == 5
    assert len(list((tmp_path / "mine/PredictedMasks" / first.name).iterdir())) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"result": torch.zeros(5, 16, 24, 3)}, "5 x 16 x 24"),
        ({"predicted": torch.zeros(4, 32, 48, 3)}, "predicted is 4 x 32 x 48"),
        ({"mask": torch.ones(5, 16, 24)}, "mask is 24 x 16"),
        ({"mask": torch.zeros(1, 32, 48)}, "mask is empty"),
        ({"sentence": "  "}, "sentence is empty"),
        ({"result": example().source}, "source unchanged"),
    ],
)
def test_what_does_not_fit_together_is_refused_and_leaves_nothing(tmp_path, changes, words):
    with pytest.raises(LGVIError, match=words):
        save_example(tmp_path / "mine", example(**changes))
    assert not (tmp_path / "mine" / "train.json").exists()


def test_an_empty_mask_says_that_nothing_was_to_go(tmp_path):
    nothing = example(mask=torch.zeros(1, 32, 48), result=example().source)
    save_example(tmp_path / "mine", nothing)
    assert check(str(tmp_path / "mine"), workers=1).problems == []


def test_folders_of_something_else_stay_as_they_are(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LGVIError, match=r"notes\.txt"):
        save_example(tmp_path, example())
    (tmp_path / "train.json").write_text('{"film": {}}')
    with pytest.raises(LGVIError, match="were not saved here"):
        save_example(tmp_path, example())
    assert json.loads((tmp_path / "train.json").read_text()) == {"film": {}}


def test_files_of_an_unfinished_example_are_removed_when_they_are_old(tmp_path):
    import os

    first = save_example(tmp_path, example())
    for age, name in ((7200, "20200101-000000-00000000"), (0, "20200101-000000-00000001")):
        left = tmp_path / "JPEGImages" / name
        shutil.copytree(tmp_path / "JPEGImages" / first.name, left)
        os.utime(left, (time.time() - age,) * 2)
    save_example(tmp_path, example())
    names = {path.name for path in (tmp_path / "JPEGImages").iterdir()}
    assert first.name in names
    assert "20200101-000000-00000000" not in names
    assert "20200101-000000-00000001" in names


SAVER = """
import sys, torch
sys.path.insert(0, {root!r})
from pathlib import Path
from lgvi_core.examples import Example, save_example
source = torch.rand(6, 48, 64, 3)
mask = torch.zeros(1, 48, 64)
mask[:, :9, :9] = 1
print("ready", flush=True)
while True:
    result = torch.where(mask[..., None] > 0, 0.25, source)
    save_example(Path({folder!r}), Example(source, result, mask, "remove the cup"))
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_no_half_example(tmp_path):
    code = SAVER.format(root=str(ROOT), folder=str(tmp_path / "mine"))
    for wait in (0.05, 0.21, 0.33, 0.48):
        saving = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        saving.stdout.readline()
        time.sleep(wait)
        saving.kill()
        saving.wait()
    save_example(tmp_path / "mine", example())
    report = check(str(tmp_path / "mine"), workers=1)
    assert report.problems == []
    assert report.total >= 2
