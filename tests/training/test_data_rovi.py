"""The reader of ROVI and the writer of its layout."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from support.data_sets import (
    FRAMES,
    ONE_ENTRY,
    SIZE,
    generated,
    handmade_rovi,
    rng,
    truncate,
    write_picture,
)
from train.data.check import check
from train.data.sample import BrokenSample, Reader
from train.data.sets.as_request import as_request
from train.data.sets.rovi import RoviReader
from train.data.sets.rovi_file import RoviFields, read_entries
from train.data.sets.shards import ShardReader
from train.data.write import write_rovi, write_shards


@pytest.fixture(scope="module")
def rovi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rovi")
    assert write_rovi(generated(), root, FRAMES) == []
    return root


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
    table = {
        "v": {"objects": {"1": {"expressions": ["the cat"]}, "2": {"expressions": ["the dog"]}}}
    }
    reader = RoviReader(handmade_rovi(tmp_path, table, ["a", "b"]), max_area=1)
    cat, dog = (reader.read(i, 2, rng()) for i in (0, 1))
    assert (cat.mask > 0).sum() == 2 * 8 * 12 and (cat.mask[:, :8, :12] == 255).all()
    assert (dog.mask > 0).sum() == 2 * 16 * 48 and (dog.mask[:, 16:] == 255).all()
    assert cat.target[0, 0, 0, 0] == 100 and dog.target[0, 0, 0, 0] == 200
    assert (cat.sentence, dog.sentence) == ("remove the cat", "remove the dog")


def test_an_object_over_a_quarter_of_the_frame_is_passed_over(tmp_path: Path) -> None:
    table = {
        "v": {"objects": {"2": {"expressions": ["the dog"]}, "1": {"expressions": ["the cat"]}}}
    }
    root = handmade_rovi(tmp_path, table, ["a", "b"])
    assert RoviReader(root).read(0, 2, rng()).name == "v/1"
    report = check(str(root))
    assert sum(found.is_dropped for found in report.findings) == 1
    assert "dropped, since they cover too much of a frame: 1" in str(report)
    (root / "train.json").write_text(json.dumps({"v": {"objects": {"2": {"expressions": ["it"]}}}}))
    with pytest.raises(BrokenSample, match="v/2: covers 50%"):
        RoviReader(root).read(0, 2, rng())


@pytest.mark.parametrize(
    ("names", "frames", "expected"),
    [
        ([f"{i:05d}" for i in range(0, 55, 5)], 3, 1),  # already every 5th frame of the film
        ([f"{i:05d}" for i in range(11)], 3, 5),
        ([f"{i:05d}" for i in range(9)], 3, 4),  # too short for a stride of 5
        ([f"frame{i}" for i in range(8)], 2, 5),  # names that are not frame numbers
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


def test_a_short_video_comes_with_all_of_its_frames(rovi: Path) -> None:
    sample = RoviReader(rovi).read(0, 24, rng())
    assert len(sample.source) == len(sample.target) == len(sample.mask) == FRAMES


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"entries": "expressions"},
            r"no 'expressions' \(fields.entries\); found the keys objects",
        ),
        ({"sentence": "exp"}, r"no 'exp' \(fields.sentence\); found the keys expressions"),
        ({"object": "obj_id"}, r"no 'obj_id' \(fields.object\); found the keys expressions"),
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
        ("I only want to keep the dog.", "I only want to keep the dog."),
        ("Can you take out the man?", "Can you take out the man?"),
        ("It would look better without the bird.", "It would look better without the bird."),
        ("The birds distract, could you help?", "The birds distract, could you help?"),
        ("Keep only the dog", "Keep only the dog"),
        ("please leave the cat alone", "please leave the cat alone"),
        ("clear the table", "clear the table"),
        ("clear glass bottle on the table", "remove clear glass bottle on the table"),
        ("take-out box", "remove take-out box"),
        ("paint bucket near the wall", "remove paint bucket near the wall"),
        ("can of soda", "remove can of soda"),
        ("it", "remove it"),
        ("a man in black riding a bike.", "remove a man in black riding a bike."),
    ],
)
def test_a_sentence_becomes_a_request(sentence: str, expected: str) -> None:
    assert as_request(sentence) == expected


def test_a_folder_that_is_not_rovi_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    with pytest.raises(LGVIError, match=r"JPEGImages, .* missing; found: frames"):
        RoviReader(tmp_path)


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
def test_damaged_videos_are_broken_samples(
    rovi: Path, tmp_path: Path, damage, message: str
) -> None:
    root = Path(shutil.copytree(rovi, tmp_path / "copy"))
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


def test_conversations_come_with_their_objects(tmp_path: Path) -> None:
    entry = {"expressions": ["the cat"], "requests": ["keep the dog", "more"], "response": "Sure."}
    table = {"v": {"objects": {"1": entry, "2": {"expressions": ["the dog"]}}}}
    reader = RoviReader(handmade_rovi(tmp_path, table, ["a", "b"]), max_area=1)
    drawn = {reader.read(0, 2, np.random.default_rng(seed)).turns for seed in range(20)}
    assert drawn == {(("keep the dog", "Sure."),), (("more", "Sure."),)}, "one reply answers both"
    assert reader.read(1, 2, rng()).turns == ()
    assert reader.conversations() == 1
    renamed = RoviFields(requests="asked", responses="answers")
    table["v"]["objects"]["2"] |= {"asked": ["a", "b"], "answers": ["c", "d"]}
    (tmp_path / "train.json").write_text(json.dumps(table))
    reader = RoviReader(tmp_path, fields=renamed, max_area=1)
    drawn = {reader.read(1, 2, np.random.default_rng(seed)).turns for seed in range(20)}
    assert drawn == {(("a", "c"),), (("b", "d"),)}


def test_replies_that_belong_to_no_request_are_an_error(tmp_path: Path) -> None:
    entry = {"expressions": ["the cat"], "requests": ["a", "b", "c"], "response": ["d", "e"]}
    root = handmade_rovi(tmp_path, {"v": {"objects": {"1": entry}}}, ["a"])
    with pytest.raises(LGVIError, match="3 requests, but 2 replies; give one for each"):
        RoviReader(root)


def test_requests_alone_may_be_the_sentences(tmp_path: Path) -> None:
    entry = {"requests": ["I only want to keep the dog.", "Could the cat go?"]}
    root = handmade_rovi(tmp_path, {"v": {"objects": {"1": entry}}}, ["a"])
    sample = RoviReader(root, fields=RoviFields(sentence="requests")).read(0, 1, rng())
    assert sample.sentences == ("I only want to keep the dog.", "Could the cat go?")
    assert sample.sentence in sample.sentences and sample.turns == ()


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        (
            [
                {"name": "v", "obj": 1, "text": "the cat"},
                {"name": "v", "obj": 2, "text": "the dog"},
                {"name": "v", "obj": 1, "text": "the pet"},
            ],
            {"video": "name", "entries": None, "object": "obj", "sentence": "text"},
        ),
        (
            {
                "clips": [
                    {"name": "v", "things": [{"obj": 1, "text": ["the cat", "the pet"]}]},
                    {"name": "v", "things": [{"obj": 2, "text": "the dog"}]},
                ]
            },
            {
                "videos": "clips",
                "video": "name",
                "entries": "things",
                "object": "obj",
                "sentence": "text",
            },
        ),
    ],
)
def test_a_list_of_records_is_read(tmp_path: Path, table: object, fields: dict) -> None:
    root = handmade_rovi(tmp_path, table, ["a"])
    reader = RoviReader(root, fields=RoviFields(**fields), max_area=1)
    found = {entry.name: entry.sentences for entry in reader.entries}
    assert found == {"v/1": ("the cat", "the pet"), "v/2": ("the dog",)}
    assert reader.read(1, 1, rng()).sentence == "remove the dog"


def test_a_list_of_records_says_which_fields_it_needs(tmp_path: Path) -> None:
    root = handmade_rovi(tmp_path, [{"name": "v", "exp": "the cat"}], ["a"])
    with pytest.raises(LGVIError, match=r"needs fields.video.*the first has the keys name.*exp"):
        RoviReader(root)
    with pytest.raises(LGVIError, match=r"record 0: no 'video' \(fields.video\); found the keys"):
        RoviReader(root, fields=RoviFields(video="video"))
    with pytest.raises(LGVIError, match=r"no 'object_id' \(fields.object\)"):
        fields = RoviFields(video="name", entries=None, sentence="exp", object="object_id")
        RoviReader(root, fields=fields)


TALKS = {
    "expressions": ["the cat", "a pet", "remove the pet"],
    "requests": ["Only the dog, please.", "No cats."],
    "response": ["Sure. {{prompt}} a {{/prompt}}", "Yes. {{prompt}} b {{/prompt}}"],
    "conversations": [[["Hello", "Hi."], ["No cat.", "Fine. {{prompt}} c {{/prompt}}"]]],
}


def test_every_copy_keeps_all_sentences_and_conversations(tmp_path: Path) -> None:
    """From ROVI to shards, to ROVI's layout and to shards again."""
    table = {"v": {"objects": {"1": TALKS, "2": {"expressions": ["the dog"]}}}}
    source: Reader = RoviReader(handmade_rovi(tmp_path / "a", table, ["a", "b"]), max_area=1)
    first = source.read(0, 2, rng())
    assert len(first.sentences) == 3 and len(first.conversations) == 3
    copies: list[Reader] = []
    for name in ("b", "c", "d"):
        if name == "c":
            write_rovi(source, tmp_path / name, 2)
            source = RoviReader(tmp_path / name, max_area=1)
        else:
            write_shards(source, tmp_path / name, 2, samples_per_shard=1)
            source = ShardReader(tmp_path / name)
        copies.append(source)
    for reader in copies:
        assert reader.conversations() == 1
        sample = reader.read(0, 2, rng())
        assert sample.sentences == first.sentences
        assert sample.conversations == first.conversations
        draws = [reader.read(0, 2, np.random.default_rng(seed)) for seed in range(40)]
        assert {draw.sentence for draw in draws} == set(first.sentences)
        assert {draw.turns for draw in draws} == set(first.conversations)
        assert reader.read(1, 2, rng()).turns == ()
