"""Data sets for training: what each reader makes of its files, and what it says of bad ones."""

import functools
import http.server
import json
import os
import pickle
import shutil
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file

from lgvi_core.errors import LGVIError
from train.data.check import check, detect
from train.data.check import main as check_main
from train.data.emoji import EMOJI, FONT, emoji_sprite
from train.data.expressions import describe_removal, sample_pair
from train.data.generated import GeneratedReader
from train.data.gqa_inpaint import GqaInpaintReader, GqaLayout, describe
from train.data.photographs import PHOTOGRAPHS, photograph
from train.data.readers import DataSource, open_reader
from train.data.rovi import RoviFields, RoviReader, as_request, read_entries
from train.data.sample import BrokenSample
from train.data.scenes import MOVES, STILL
from train.data.shards import ShardReader
from train.data.synthetic import make_sample, scene_of
from train.data.write import main as write_main
from train.data.write import write_rovi, write_shards

SIZE = (32, 48)
FRAMES = 4
EMOJI_FONT = Path(os.environ.get("LGVI_EMOJI_FONT", FONT))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def generated(count: int = 6) -> GeneratedReader:
    return GeneratedReader("train", SIZE, count)


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


@pytest.fixture
def copy(tmp_path: Path):
    """A copy of a data set that a test may damage."""
    return lambda root: Path(shutil.copytree(root, tmp_path / "copy"))


def write_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def write_indexed(path: Path, ids: np.ndarray) -> None:
    image = Image.fromarray(ids.astype(np.uint8), mode="L")
    image.putpalette([0, 0, 0, 236, 95, 103, 153, 199, 148, 250, 200, 99])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def handmade_rovi(root: Path, table: object, names: list[str]) -> Path:
    """One video "v": frame i is grey i + 1; object 1 has 1/16 of the frame, object 2 has half."""
    ids = np.zeros(SIZE, np.uint8)
    ids[:8, :12] = 1
    ids[16:, :] = 2
    for i, name in enumerate(names):
        write_picture(root / f"JPEGImages/v/{name}.png", np.full((*SIZE, 3), i + 1, np.uint8))
        write_indexed(root / f"Annotations/v/{name}.png", ids)
        for key in (1, 2):
            grey = np.full((*SIZE, 3), 100 * key + i, np.uint8)
            write_picture(root / f"InpaintImages/v/{key}/{name}.png", grey)
    (root / "train.json").write_text(json.dumps(table))
    return root


ONE_ENTRY = {"v": {"objects": {"1": {"expression": "the cat"}}}}


# --- generated clips ------------------------------------------------------------------------------


def test_generated_clips_are_the_same_for_the_same_number() -> None:
    first, again = generated().read(3, FRAMES, rng(0)), generated().read(3, FRAMES, rng(9))
    other = generated().read(4, FRAMES, rng(0))
    assert np.array_equal(first.source, again.source) and first.sentence == again.sentence
    assert not np.array_equal(first.source, other.source)
    assert first.source.shape == (FRAMES, *SIZE, 3) and first.mask.shape == (FRAMES, *SIZE)


def test_generated_pictures_have_one_frame_whatever_is_asked() -> None:
    reader = GeneratedReader("train", SIZE, 2, frames=1)
    assert len(reader.read(0, 24, rng()).source) == 1


def test_training_and_held_out_share_no_background_and_no_trajectory() -> None:
    def traits(split: str) -> set[bytes]:
        found = set()
        for number in range(40):
            scene = scene_of(split, number, FRAMES, 1.5)
            found.add(scene.background.seed.to_bytes(8, "little"))
            found |= {thing.path.tobytes() for thing in scene.objects}
        return found

    assert len(traits("train")) > 80
    assert not traits("train") & traits("held-out")
    assert not set(PHOTOGRAPHS["train"]) & set(PHOTOGRAPHS["held-out"])


def test_motion_words_are_true_of_one_object_alone() -> None:
    seen = {"moving": 0, "still": 0}
    for number in range(400):
        scene = scene_of("train", number, 8, 1.5)
        present, removed = sample_pair(rng(number), len(scene.objects))
        request = describe_removal(rng(number), scene.objects, present, removed)
        if request.kind != "motion":
            continue
        word = "moving" if " moving " in request.sentence else "still"
        thing = scene.objects[request.removed[0]]
        words = request.sentence.rstrip(".").split(f" {word} ")[1].split()
        rivals = [scene.objects[i] for i in present if i not in request.removed]
        if words[-1] not in ("object", "thing"):
            rivals = [o for o in rivals if {o.noun, o.colour} >= set(words)]
        if word == "moving":
            assert thing.travel >= MOVES and all(o.travel <= STILL for o in rivals)
        else:
            assert thing.travel <= STILL and all(o.travel >= MOVES for o in rivals)
        seen[word] += 1
    assert min(seen.values()) >= 3, seen


def test_no_motion_words_for_a_single_frame() -> None:
    for number in range(200):
        scene = scene_of("train", number, 1, 1.5)
        present, removed = sample_pair(rng(number), len(scene.objects))
        assert describe_removal(rng(number), scene.objects, present, removed).kind != "motion"


def test_an_absent_object_changes_nothing() -> None:
    samples = [make_sample("train", n, 1, *SIZE) for n in range(60)]
    absent = [s for s in samples if s.kind == "absent"]
    assert absent
    for sample in absent:
        assert np.array_equal(sample.source, sample.target) and not sample.mask.any()


def test_photographs_change_only_the_background() -> None:
    pytest.importorskip("skimage")
    plain = [scene_of("held-out", n, FRAMES, 1.5) for n in range(30)]
    scenes = [scene_of("held-out", n, FRAMES, 1.5, photographs=True) for n in range(30)]
    names = {scene.background.photograph for scene in scenes}
    assert names - {None} and names <= {None, *PHOTOGRAPHS["held-out"]}
    for before, after in zip(plain, scenes, strict=True):
        paths = [(o.noun, o.path.tolist()) for o in after.objects]
        assert paths == [(o.noun, o.path.tolist()) for o in before.objects]
    number = next(n for n, scene in enumerate(scenes) if scene.background.photograph)
    drawn = make_sample("held-out", number, 1, *SIZE)
    shot = make_sample("held-out", number, 1, *SIZE, photographs=True)
    assert np.array_equal(drawn.mask, shot.mask) and drawn.sentence == shot.sentence
    assert not np.array_equal(drawn.target, shot.target)


def test_photographs_without_scikit_image_say_what_to_install(monkeypatch) -> None:
    photograph.cache_clear()
    monkeypatch.setattr("train.data.photographs.find_spec", lambda name: None)
    with pytest.raises(LGVIError, match=r"scikit-image.*requirements-optional"):
        GeneratedReader("train", SIZE, 2, photographs=True)


def test_emoji_keep_places_and_twins() -> None:
    replaced = 0
    for number in range(40):
        before = scene_of("train", number, FRAMES, 1.5).objects
        after = scene_of("train", number, FRAMES, 1.5, emoji_font=EMOJI_FONT).objects
        for old, new in zip(before, after, strict=True):
            assert np.array_equal(old.path, new.path)
            if new.emoji_font is not None:
                assert new.colour == EMOJI[new.noun][1]
                replaced += 1
        for i in range(len(before)):
            for k in range(i):
                were_twins = (before[i].noun, before[i].colour) == (
                    before[k].noun,
                    before[k].colour,
                )
                are_twins = (after[i].noun, after[i].colour) == (after[k].noun, after[k].colour)
                assert were_twins == are_twins
    assert replaced > 20


def test_a_missing_emoji_font_says_what_to_install() -> None:
    with pytest.raises(LGVIError, match=r"nowhere.ttf.*fonts-noto-color-emoji"):
        GeneratedReader("train", SIZE, 2, emoji_font=Path("nowhere.ttf"))


HUES = {  # degrees; a carrot is as near to yellow as a banana to orange
    "red": (-15, 20),
    "orange": (20, 37),
    "yellow": (36, 60),
    "green": (60, 160),
    "blue": (190, 240),
    "purple": (260, 320),
}


@pytest.mark.skipif(not EMOJI_FONT.is_file(), reason="no Noto Color Emoji font")
def test_every_emoji_has_the_colour_that_its_sentence_says() -> None:
    for noun, (_, colour) in EMOJI.items():
        sprite = emoji_sprite(noun, EMOJI_FONT)
        pixels = sprite.extra[sprite.alpha > 0.9][None]
        hue, saturation, value = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[0].T
        if colour in HUES:
            low, high = HUES[colour]
            shown = float(np.median(hue[saturation > 0.4]))
            assert low <= (shown + 30) % 360 - 30 < high, (noun, shown)
        else:
            assert np.median(saturation) < 0.2, noun
            assert (np.median(value) > 0.8) == (colour == "white"), noun


# --- ROVI -----------------------------------------------------------------------------------------


def test_written_rovi_reads_back_as_generated(rovi: Path) -> None:
    reader = RoviReader(rovi, max_area=1)
    assert len(reader) == 6
    for index in range(6):
        expected, found = generated().read(index, FRAMES, rng()), reader.read(index, FRAMES, rng())
        assert np.abs(found.source.astype(int) - expected.source).mean() < 2
        assert np.abs(found.target.astype(int) - expected.target).mean() < 2
        assert np.array_equal(found.mask > 0, expected.mask > 127)
        assert found.sentence == expected.sentence


def test_writing_is_the_same_with_several_processes(tmp_path: Path, rovi: Path) -> None:
    write_rovi(generated(3), tmp_path, FRAMES, workers=2)
    for path in sorted(p for p in tmp_path.rglob("*") if p.suffix in (".jpg", ".png")):
        assert path.read_bytes() == (rovi / path.relative_to(tmp_path)).read_bytes(), path


def test_a_mask_is_its_objects_pixels_alone(tmp_path: Path) -> None:
    table = {"v": {"objects": {"1": {"expression": "the cat"}, "2": {"expression": "the dog"}}}}
    reader = RoviReader(handmade_rovi(tmp_path, table, ["a", "b"]), max_area=1)
    cat, dog = (reader.read(i, 2, rng()) for i in (0, 1))
    assert (cat.mask > 0).sum() == 2 * 8 * 12 and (cat.mask[:, :8, :12] == 255).all()
    assert (dog.mask > 0).sum() == 2 * 16 * 48 and (dog.mask[:, 16:] == 255).all()
    assert cat.target[0, 0, 0, 0] == 100 and dog.target[0, 0, 0, 0] == 200
    assert (cat.sentence, dog.sentence) == ("remove the cat", "remove the dog")


def test_an_object_over_a_quarter_of_the_frame_is_passed_over(tmp_path: Path) -> None:
    table = {"v": {"objects": {"2": {"expression": "the dog"}, "1": {"expression": "the cat"}}}}
    root = handmade_rovi(tmp_path, table, ["a", "b"])
    assert RoviReader(root).read(0, 2, rng()).name == "v/1"
    report = check(str(root))
    assert sum(found.is_dropped for found in report.findings) == 1
    assert "dropped, since they cover too much of a frame: 1" in str(report)
    (root / "train.json").write_text(json.dumps({"v": {"objects": {"2": {"expression": "it"}}}}))
    with pytest.raises(BrokenSample, match="v/2: covers 50%"):
        RoviReader(root).read(0, 2, rng())


@pytest.mark.parametrize(
    ("names", "frames", "expected"),
    [
        ([f"{i:05d}" for i in range(0, 55, 5)], 3, 1),  # every 5th frame of the film already
        ([f"{i:05d}" for i in range(11)], 3, 5),
        ([f"{i:05d}" for i in range(9)], 3, 4),  # too short for the stride
        ([f"frame{i}" for i in range(8)], 2, 5),  # names that say nothing
    ],
)
def test_frames_are_a_stride_of_the_film_apart(
    tmp_path: Path, names: list[str], frames: int, expected: int
) -> None:
    reader = RoviReader(handmade_rovi(tmp_path, ONE_ENTRY, names))
    for seed in range(4):
        sample = reader.read(0, frames, rng(seed))
        numbers = sample.source[:, 0, 0, 0].astype(int)
        assert np.diff(numbers).tolist() == [expected] * (frames - 1)
        assert (sample.target[:, 0, 0, 0] == 100 + numbers - 1).all()


def test_the_same_seed_reads_the_same(rovi: Path) -> None:
    reader = pickle.loads(pickle.dumps(RoviReader(rovi, max_area=1)))
    starts = [reader.read(0, 2, rng(seed)).source.tobytes() for seed in (1, 1, 2, 3, 4, 5)]
    assert starts[0] == starts[1] and len(set(starts)) > 1


def test_too_few_frames_are_a_broken_sample(rovi: Path) -> None:
    with pytest.raises(BrokenSample, match="000000/1: has 4 frames, 5 are asked for"):
        RoviReader(rovi).read(0, 5, rng())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"entries": "expressions"},
            r"no 'expressions' \(fields.entries\); found the keys objects",
        ),
        ({"sentence": "exp"}, r"no 'exp' \(fields.sentence\); found the keys expression"),
        ({"object": "obj_id"}, r"no 'obj_id' \(fields.object\); found the keys expression"),
        ({"videos": "videos"}, r"no 'videos' \(fields.videos\); found the keys 000000"),
        ({"entries": None}, "id is a number in the annotation; found 'objects'"),
    ],
)
def test_a_wrong_field_is_an_error_that_names_what_was_found(
    rovi: Path, fields: dict[str, str | None], message: str
) -> None:
    with pytest.raises(LGVIError, match=message):
        RoviReader(rovi, fields=RoviFields(**fields))


def test_fields_map_another_layout(tmp_path: Path) -> None:
    table = {
        "videos": {
            "v": {
                "expressions": [
                    {"exp": ["a cat", "Delete it"], "obj_id": "1"},
                    {"exp": "a pet", "obj_id": 1},
                ]
            }
        }
    }
    root = handmade_rovi(tmp_path, table, ["a"])
    fields = RoviFields(videos="videos", entries="expressions", sentence="exp", object="obj_id")
    (entry,) = read_entries(root / "train.json", fields)
    assert entry.sentences == ("a cat", "Delete it", "a pet")
    reader = RoviReader(root, fields=fields)
    found = {reader.read(0, 1, rng(seed)).sentence for seed in range(30)}
    assert found == {"remove a cat", "Delete it", "remove a pet"}


def test_one_bad_record_breaks_only_its_own_sample(tmp_path: Path) -> None:
    table = {"u": {"things": {}}, **ONE_ENTRY, "w": ONE_ENTRY["v"]}
    reader = RoviReader(handmade_rovi(tmp_path, table, ["a"]))
    assert reader.read(1, 1, rng()).name == "v/1"
    with pytest.raises(BrokenSample, match=r"video u: no 'objects'.*found the keys things"):
        reader.read(0, 1, rng())


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The man on the left", "remove the man on the left"),
        ("Mona's hat", "remove Mona's hat"),
        ("delete the cat", "delete the cat"),
        ("Take away the cat", "Take away the cat"),
        ("a remover", "remove a remover"),
    ],
)
def test_a_sentence_becomes_a_request(sentence: str, expected: str) -> None:
    assert as_request(sentence) == expected


def test_a_folder_that_is_not_rovi_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    with pytest.raises(LGVIError, match=r"JPEGImages, .* missing; found: frames"):
        RoviReader(tmp_path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: truncate(r / "JPEGImages/000000/00000.jpg"), "JPEGImages.*cannot be read"),
        (lambda r: truncate(r / "Annotations/000000/00005.png"), "Annotations.*cannot be read"),
        (lambda r: (r / "JPEGImages/000000/00010.jpg").unlink(), "3 in JPEGImages, 4 in Annot"),
        (lambda r: shutil.rmtree(r / "InpaintImages/000000"), "InpaintImages.*missing"),
        (
            lambda r: write_picture(
                r / "Annotations/000000/00000.png", np.zeros((*SIZE, 3), np.uint8)
            ),
            "RGB picture, not an indexed one",
        ),
        (
            lambda r: write_picture(
                r / "JPEGImages/000000/00000.jpg", np.zeros((8, 8, 3), np.uint8)
            ),
            "different sizes: 8x8, 48x32",
        ),
    ],
)
def test_damaged_videos_are_broken_samples(rovi: Path, copy, damage, message: str) -> None:
    root = copy(rovi)
    damage(root)
    with pytest.raises(BrokenSample, match=message):
        RoviReader(root, max_area=1).read(0, FRAMES, rng())
    report = check(str(root), options={"max_area": 1})
    assert len(report.problems) == 1 and "BROKEN: 1" in str(report)


def test_smaller_targets_bring_the_source_to_their_size(tmp_path: Path) -> None:
    root = handmade_rovi(tmp_path, ONE_ENTRY, ["a"])
    write_picture(root / "InpaintImages/v/1/a.png", np.full((16, 24, 3), 7, np.uint8))
    sample = RoviReader(root).read(0, 1, rng())
    assert sample.source.shape == sample.target.shape == (1, 16, 24, 3)
    assert (sample.mask[0, :4, :6] == 255).all() and (sample.mask > 0).sum() == 24


# --- GQA-Inpaint ----------------------------------------------------------------------------------

SCENES = {
    "10": {
        "width": 48,
        "height": 32,
        "objects": {
            "1": {"name": "cup", "attributes": ["white"], "relations": []},
            "2": {
                "name": "chair",
                "attributes": [],
                "relations": [{"name": "near", "object": "1"}],
            },
            "3": {"name": "chair", "attributes": [], "relations": []},
            "4": {"name": "lamp", "relations": [], "bidirected": False},
        },
        "image_relative_positions": {
            "1": "to the center",
            "2": "at the left",
            "3": "to the right",
            "4": "at the left",
        },
    },
    "11": {
        "width": 32,
        "height": 32,
        "objects": {str(i): {"name": "dog", "relations": []} for i in (5, 6, 7)}
        | {"8": {"name": "ball", "relations": []}},
        "image_relative_positions": {"8": "at the right"},
    },
}


@pytest.fixture
def gqa(tmp_path: Path) -> Path:
    """Picture 10 is 48x32, its left third red; inpainted squares are 16x16."""
    wide = np.zeros((32, 48, 3), np.uint8)
    wide[:, :16] = (255, 0, 0)
    write_picture(tmp_path / "images/10.jpg", wide)
    write_picture(tmp_path / "images/11.jpg", np.full((32, 32, 3), 90, np.uint8))
    square = np.zeros((16, 16), np.uint8)
    square[4:12, 4:12] = 255
    for image, keys, size in (("10", "123", 16), ("11", "8", 32)):
        for key in keys:
            grey = np.full((size, size, 3), 50, np.uint8)
            write_picture(tmp_path / f"images_inpainted/{image}/{key}.jpg", grey)
            write_picture(tmp_path / f"masks/{image}/{key}.jpg", square)
    (tmp_path / "train_scenes.json").write_text(json.dumps(SCENES))
    return tmp_path


def test_gqa_cuts_the_middle_of_the_original(gqa: Path) -> None:
    reader = GqaInpaintReader(gqa)
    assert reader.entries == [("10", "1"), ("10", "2"), ("10", "3"), ("11", "8")]
    sample = reader.read(0, 24, rng())
    assert sample.source.shape == sample.target.shape == (1, 16, 16, 3)
    red = sample.source[0, :, :, 0] > 128
    assert red[:, :3].all() and not red[:, 5:].any()  # columns 8 to 16 of 48 are in the square
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


# --- shards ---------------------------------------------------------------------------------------


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

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.skipif(shutil.which("curl") is None, reason="webdataset downloads with curl")
def test_remote_shards_are_downloaded_once(shards: Path, tmp_path: Path) -> None:
    handler = type("Handler", (_Quiet,), {"requests": []})
    serve = functools.partial(handler, directory=str(shards))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/index.json"
        with pytest.raises(LGVIError, match="set cache_dir"):
            ShardReader(url)
        for _ in range(2):
            found = ShardReader(url, tmp_path).read(5, FRAMES, rng())
        server.shutdown()
    assert found.sentence == generated().read(5, FRAMES, rng()).sentence
    assert handler.requests.count("/clips-000001.tar") == 1
    assert "/clips-000000.tar" not in handler.requests


def test_torn_missing_and_miscounted_shards_are_broken_samples(shards: Path, copy) -> None:
    root = copy(shards)
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


# --- configuration --------------------------------------------------------------------------------


def test_every_source_is_opened_by_its_kind(rovi: Path, shards: Path, gqa: Path) -> None:
    sources = [
        ({"kind": "rovi", "root": str(rovi)}, RoviReader),
        ({"kind": "gqa_inpaint", "root": str(gqa)}, GqaInpaintReader),
        ({"kind": "shards", "index": str(shards)}, ShardReader),
        ({"kind": "generated", "size": SIZE, "count": 3}, GeneratedReader),
    ]
    for keys, expected in sources:
        reader = open_reader(TypeAdapter(DataSource).validate_python(keys))
        assert isinstance(reader, expected)
        assert sorted(reader.order(rng())) == list(range(len(reader)))
    with pytest.raises(ValidationError, match="strid"):
        TypeAdapter(DataSource).validate_python({"kind": "rovi", "root": ".", "strid": 5})


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


# --- the check ------------------------------------------------------------------------------------


def test_the_check_reports_what_a_whole_data_set_holds(rovi: Path, shards: Path) -> None:
    text = str(check(str(rovi), options={"max_area": 1}))
    for words in ("rovi: 6 samples", "videos: 6", "sizes: 48x32 (6)", "nothing is broken"):
        assert words in text
    assert "frames: 4 to 4" in text
    text = str(check(str(shards), limit=3))
    assert "shards: 6 samples, 3 read" in text and "kinds of sentences" in text


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
