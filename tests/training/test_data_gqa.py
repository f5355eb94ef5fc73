"""The reader of GQA-Inpaint."""

import json
from pathlib import Path

import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from support.data_sets import SCENES, handmade_gqa, rng, truncate, write_picture
from train.data.check import check
from train.data.sample import BrokenSample
from train.data.sets.gqa_inpaint import GqaInpaintReader, GqaLayout, describe


@pytest.fixture
def gqa(tmp_path: Path) -> Path:
    return handmade_gqa(tmp_path)


def test_gqa_cuts_the_middle_of_the_original(gqa: Path) -> None:
    reader = GqaInpaintReader(gqa)
    assert reader.entries == [("10", "1"), ("10", "2"), ("10", "3"), ("11", "8")]
    sample = reader.read(0, 24, rng())
    assert sample.source.shape == sample.target.shape == (1, 16, 16, 3)
    red = sample.source[0, :, :, 0] > 128
    assert red[:, :3].all() and not red[:, 5:].any()  # the square begins at column 8 of the 48
    assert (sample.target > 40).all()
    assert set(np.unique(sample.mask)) == {0, 255} and abs((sample.mask > 0).sum() - 64) < 12
    whole = reader.read(3, 1, rng())
    assert whole.source.shape == (1, 32, 32, 3) and whole.mask.shape == (1, 32, 32)


def test_gqa_sentences_single_out_their_object() -> None:
    scene = SCENES["10"]
    cup = {describe(scene, "1", rng(seed)) for seed in range(20)}
    assert cup == {"remove the white cup", "remove the white cup at the center"}
    left = {describe(scene, "2", rng(seed)) for seed in range(20)}
    assert left == {"remove the chair at the left", "remove the chair near the white cup"}
    assert {describe(scene, "3", rng(s)) for s in range(9)} == {"remove the chair at the right"}


def test_gqa_relations_that_a_twin_shares_are_not_used() -> None:
    scene = json.loads(json.dumps(SCENES["10"]))
    scene["objects"]["3"]["relations"] = [{"name": "near", "object": "1"}]
    assert {describe(scene, "2", rng(s)) for s in range(9)} == {"remove the chair at the left"}


def test_gqa_absent_objects_change_nothing(gqa: Path) -> None:
    reader = GqaInpaintReader(gqa, absent_share=1)
    sample = reader.read(3, 1, rng())
    assert np.array_equal(sample.source, sample.target) and not sample.mask.any()
    assert "ball" not in sample.sentence


def test_gqa_ready_sentences(gqa: Path) -> None:
    ready = {"i10-o1": "remove the mug"}
    (gqa / "instructions.json").write_text(json.dumps(ready))
    reader = GqaInpaintReader(gqa, GqaLayout(instructions="instructions.json"))
    assert reader.read(0, 1, rng()).sentence == "remove the mug"
    with pytest.raises(BrokenSample, match=r"instructions.json: has no sentence for i10-o2"):
        reader.read(1, 1, rng())


def test_gqa_errors_name_what_is_wrong(gqa: Path) -> None:
    with pytest.raises(LGVIError, match=r"pictures missing; found: images, images_inpainted"):
        GqaInpaintReader(gqa, GqaLayout(images="pictures"))
    truncate(gqa / "images_inpainted/10/1.jpg")
    (gqa / "masks/10/2.jpg").unlink()
    write_picture(gqa / "masks/10/3.jpg", np.zeros((16, 16), np.uint8))
    reader = GqaInpaintReader(gqa)
    for index, message in enumerate(("1.jpg: cannot be read", "2.jpg: is missing", "is empty")):
        with pytest.raises(BrokenSample, match=message):
            reader.read(index, 1, rng())
    report = check(str(gqa))
    assert report.kind == "gqa_inpaint" and len(report.problems) == 3


def test_gqa_scene_graph_without_names(gqa: Path) -> None:
    scenes = {"10": {"objects": {"1": {"label": "cup"}}}}
    (gqa / "train_scenes.json").write_text(json.dumps(scenes))
    with pytest.raises(LGVIError, match="image 10, object 1: no name; found label"):
        GqaInpaintReader(gqa)
