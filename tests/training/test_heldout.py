"""The held-out clips: scenes, requests and conversations, their files, and figures by stratum."""

import dataclasses
import json
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from train.data.heldout import placing
from train.data.heldout.assets import (
    COLOURS,
    Assets,
    dye,
    first_nouns,
    plural,
    read_nouns,
    trim,
)
from train.data.heldout.clip import Footage
from train.data.heldout.common import rng_of
from train.data.heldout.fetch import is_odd
from train.data.heldout.filmed import real_clips
from train.data.heldout.placing import CONTRAST, Maker, Setting, Wish
from train.data.heldout.plain import PLAIN, USUAL
from train.data.heldout.reader import INDEX, HeldOutReader
from train.data.heldout.relations import RELATIONS
from train.data.heldout.scene import Rendering, Scene
from train.data.heldout.shapes import DRAWN, VARIANTS, draw_shape
from train.data.heldout.strata import CANONICAL, all_clips
from train.data.heldout.talks import CONVERSATIONS, KINDS, all_talks
from train.data.heldout.wording import mistyped
from train.data.heldout.wordnet import concrete_nouns
from train.data.heldout.write import main, write_clips
from train.data.naming import Described, things_named
from train.data.sample import BrokenSample
from train.evaluation.config import read_evaluation_config
from train.evaluation.frame_measures import dilate

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / ".cache" / "heldout" / "assets"
SMALL = 0.03  # share of the clips: one of most strata


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker(Assets(None), read_nouns(), first_nouns())


@pytest.fixture
def quick(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """A maker of scenes that are never looked at: their pictures are blank, and all are taken."""
    blank = np.ones((8, 8, 4), np.float32)
    monkeypatch.setattr(placing, "draw_shape", lambda *arguments: blank)
    monkeypatch.setattr(placing, "drawn_ground", lambda rng, *size: blank[..., :3])
    monkeypatch.setattr(placing, "_well_seen", lambda *arguments: True)
    return maker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("heldout")
    main(["--drawn-only", "--share", str(SMALL), "--output", str(output)])
    return output


def read_all(folder: Path) -> list:
    reader = HeldOutReader(folder)
    return [reader.read(i, 1000, np.random.default_rng(0)) for i in range(len(reader))]


# Files


def test_the_same_seed_makes_the_same_clips(maker: Maker, folder: Path, tmp_path: Path) -> None:
    some = next(all_clips(maker, 20, SMALL))
    assert some.name == "own drawings 0"
    write_clips([some], maker.assets, tmp_path)
    stored = {sample.name: sample for sample in read_all(folder)}
    for sample in read_all(tmp_path):
        assert np.array_equal(sample.source, stored[sample.name].source)
        assert sample.sentence == stored[sample.name].sentence
    other = next(all_clips(maker, 21, SMALL))
    assert isinstance(other.source, Scene)
    assert not np.array_equal(Rendering(other.source).frames(), stored["own drawings 0"].source)


def test_what_goes_is_seen_in_the_source_and_nothing_else_differs(folder: Path) -> None:
    for sample in read_all(folder):
        assert sample.source.dtype == sample.target.dtype == np.uint8
        changed = (sample.source != sample.target).any(axis=-1)
        assert not changed[~dilate(sample.mask > 0, 1)].any(), sample.name
        for i in sample.removed:
            assert (sample.object_masks[i] >= 128).any(), sample.name
            seen = sample.object_masks[i] >= 128
            difference = np.abs(sample.source[seen].astype(float) - sample.target[seen])
            assert difference.mean() > CONTRAST / 2, sample.name
        kept = {*range(len(sample.object_masks))} - {*sample.removed}
        assert {*sample.without} == kept
        for i, without in sample.without.items():
            lost = (without != sample.target).any(axis=-1)
            seen = sample.object_masks[i] >= 128
            assert lost[seen].mean() > 0.9, sample.name
        if not sample.removed:
            assert np.array_equal(sample.source, sample.target)


def test_every_variant_has_its_canonical_clip_of_the_same_frames(folder: Path) -> None:
    samples = {sample.name: sample for sample in read_all(folder)}
    variants = [sample for sample in samples.values() if sample.pair_of]
    assert {s for sample in variants for s in sample.strata} == {
        "synonyms",
        "typos",
        "verbs",
        "manners",
        "other words",
    }
    for sample in variants:
        canonical = samples[sample.pair_of]
        assert canonical.strata == (CANONICAL,)
        assert np.array_equal(sample.source, canonical.source)
        assert sample.sentence != canonical.sentence
        assert sample.removed == canonical.removed


def test_a_long_clip_loses_its_object_and_gets_it_back(folder: Path) -> None:
    sample = next(s for s in read_all(folder) if "long clips" in s.strata)
    assert len(sample.source) == 120
    there = (sample.mask >= 128).any(axis=(1, 2))
    assert there[0]
    assert there[-1]
    assert not there[45:65].any()


def test_reader_chooses_by_strata_and_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    talks = HeldOutReader(folder, strata=[CONVERSATIONS])
    rest = HeldOutReader(folder, without=[CONVERSATIONS])
    assert len(talks) == len(KINDS)
    assert len(talks) + len(rest) == len(HeldOutReader(folder))
    assert all(sample.turns for sample in [talks.read(0, 8, np.random.default_rng(0))])
    with pytest.raises(LGVIError, match=r"no strata \['rhymes'\]; there are \['5 to 6|no strata"):
        HeldOutReader(folder, strata=["rhymes"])
    with pytest.raises(LGVIError, match=r"train\.data\.heldout\.write --output"):
        HeldOutReader(tmp_path)


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    index = json.loads((folder / INDEX).read_text())
    index["clips"] = index["clips"][:1]
    (tmp_path / INDEX).write_text(json.dumps(index))
    (tmp_path / index["clips"][0]["file"]).write_bytes(b"no clip")
    with pytest.raises(BrokenSample, match=index["clips"][0]["file"]):
        HeldOutReader(tmp_path).read(0, 8, np.random.default_rng(0))


def test_writing_without_assets_says_how_to_fetch_them(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--assets", str(tmp_path), "--output", str(tmp_path / "out")])
    assert "python -m train.data.heldout.fetch --folder" in str(stop.value)


def test_sheets_show_every_clip(folder: Path) -> None:
    count = len(json.loads((folder / INDEX).read_text())["clips"])
    assert len(list((folder / "sheets").glob("*.png"))) == -(-count // 36)


# Scenes


@pytest.mark.parametrize("noun", DRAWN)
def test_drawings_have_the_asked_colour_and_several_forms(noun: str) -> None:
    forms = []
    for variant in range(VARIANTS):
        rgba = draw_shape(noun, COLOURS["purple"], variant)
        inside = rgba[..., 3] > 0.99
        near = np.abs(rgba[inside][:, :3] * 255 - np.array(COLOURS["purple"])).max(axis=1) < 90
        assert near.mean() > 0.4
        forms.append(rgba)
    assert not any(np.array_equal(a, b) for a, b in pairwise(forms))


@pytest.mark.parametrize("plain", PLAIN, ids=lambda f: f.__name__)
def test_canonical_requests_are_true_of_their_scenes(maker: Maker, plain) -> None:
    scene, request = plain(np.random.default_rng(3), maker, Setting(), 3, USUAL)
    assert request.kind
    assert {*request.removed} <= {*range(len(scene.things))}
    first, *others = scene.things
    said = request.sentence.removeprefix("remove ").split()
    if request.kind == "name":
        assert said == ["the", first.noun]
        assert all(other.noun != first.noun for other in others)
    if request.kind == "colour and name":
        assert said == ["the", first.colour, first.noun]
        assert (first.colour, first.noun) not in [(o.colour, o.noun) for o in others]
    if request.kind == "size":
        assert (first.size < others[0].size) == (said[1] == "small")
    if request.kind == "motion":
        assert np.ptp(first.path, axis=0).max() > 0.1
        assert np.ptp(others[0].path, axis=0).max() == 0


def test_things_named_understands_the_canonical_requests(maker: Maker, folder: Path) -> None:
    understood = 0
    for sample in read_all(folder):
        if sample.kind in ("name", "colour and name", "name and place", "two objects") and not (
            sample.pair_of or sample.turns
        ):
            assert things_named(sample.sentence, sample.described) == sample.removed, sample.name
            understood += 1
    assert understood > 5


@pytest.mark.parametrize("name", RELATIONS)
def test_comparing_requests_are_true_of_their_scenes(maker: Maker, name: str) -> None:
    make, _ = RELATIONS[name]
    for number in range(2):
        scene, request = make(np.random.default_rng([5, number]), maker, Setting())
        things, gone = scene.things, [scene.things[i] for i in request.removed]
        kept = [thing for thing in things if all(thing is not g for g in gone)]
        if name == "superlatives":
            larger = gone[0].size > kept[0].size
            assert larger == any(w in request.sentence for w in ("biggest", "largest"))
            assert all((gone[0].size > 1.15 * k.size) == larger for k in kept)
        elif name == "still or moving":
            moving = {bool(np.ptp(g.path, axis=0).any()) for g in gone}
            assert len(gone) == 1
            assert moving.isdisjoint({bool(np.ptp(k.path, axis=0).any()) for k in kept})
        elif name in ("except", "keep only"):
            assert len(kept) == 1
            assert kept[0].noun in request.sentence
        elif name == "next to":
            anchor, far = things[2], things[1]
            assert np.hypot(*(gone[0].path[0] - anchor.path[0])) < 0.3
            assert np.hypot(*(far.path[0] - anchor.path[0])) > 0.45
        elif name in ("both", "all of a kind", "all but"):
            assert len(gone) >= 2


def test_an_impossible_scene_is_an_error(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "TRIES", 3)
    with pytest.raises(LGVIError, match="no scene found for"):
        maker.scene(np.random.default_rng(0), [Wish("ball", "red", (0.9, 0.9))] * 2, Setting())
    with pytest.raises(LGVIError, match=r"has no \['gryphon'\]"):
        Maker(Assets(None), read_nouns(), ["ball", "gryphon"])


def test_a_thing_behind_another_or_a_post_is_covered_less(maker: Maker) -> None:
    path = np.tile([0.5, 0.5], (8, 1))
    wishes = [
        Wish("box", "red", (0.5, 0.5), path=path),
        Wish("ball", "blue", (0.2, 0.2), path=path),
    ]
    scene = maker.scene(np.random.default_rng(1), wishes, Setting())
    alone = dataclasses.replace(scene, things=scene.things[:1])
    whole, covered = (Rendering(s).coverage()[0].astype(int).sum() for s in (alone, scene))
    assert 0.5 * whole < covered < whole
    occluded = maker.scene(np.random.default_rng(1), wishes[:1], Setting(occluded=True))
    assert Rendering(occluded).coverage()[0].astype(int).sum() < 0.95 * whole


@pytest.mark.parametrize("camera", ["pan", "zoom", "shake"])
def test_the_camera_moves_ground_and_things_together(maker: Maker, camera: str) -> None:
    wish = Wish("star", "yellow", (0.3, 0.3), path=np.tile([0.5, 0.5], (8, 1)))
    scene = maker.scene(np.random.default_rng(2), [wish], Setting(camera=camera))
    rendering = Rendering(scene)
    masks, empty = rendering.coverage()[0] > 128, rendering.frames([])
    assert not np.array_equal(masks[0], masks[-1])
    assert not np.array_equal(empty[0], empty[-1])


# Words


def test_a_slip_of_the_finger_changes_one_word(maker: Maker) -> None:
    rng = np.random.default_rng(0)
    sentence = "remove the yellow balloon"
    for _ in range(50):
        slipped = mistyped(rng, sentence, sentence.split())
        pairs = zip(sentence.split(), slipped.split(), strict=True)
        changed = [(a, b) for a, b in pairs if a != b]
        assert len(changed) == 1
        assert abs(len(changed[0][0]) - len(changed[0][1])) <= 1


def test_nouns_and_their_plurals() -> None:
    nouns = read_nouns()
    assert [plural(n, nouns) for n in ("star", "box", "fish", "knife")] == [
        "stars",
        "boxes",
        "fish",
        "knives",
    ]
    assert {*first_nouns()} == {*DRAWN}


def test_odd_names_are_held_out() -> None:
    # SHA-1 of "Aqua.jpg" begins with b, of "hello" with a.
    assert is_odd("Aqua.jpg")
    assert not is_odd("hello")


def test_words_near_a_known_noun_are_left_out(tmp_path: Path) -> None:
    data = [
        "00000001 05 n 01 animal 0 002 ~ 00000002 n 0000 ~ 00000003 n 0000 | a being",
        "00000002 05 n 01 fish 0 002 @ 00000001 n 0000 ~ 00000004 n 0000 | swims",
        "00000003 05 n 01 walrus 0 001 @ 00000001 n 0000 | tusks",
        "00000004 05 n 01 salmon 0 001 @ 00000002 n 0000 | a fish",
        "00000005 09 n 01 feeling 0 000 | abstract",
    ]
    index = [
        f"{word} n 1 1 @ 1 1 {offset}  "
        for word, offset in (("animal", "00000001"), ("fish", "00000002"), ("walrus", "00000003"),
                             ("salmon", "00000004"), ("feeling", "00000005"))
    ]  # fmt: skip
    (tmp_path / "data.noun").write_text("  1 licence\n" + "\n".join(data) + "\n")
    (tmp_path / "index.noun").write_text("  1 licence\n" + "\n".join(index) + "\n")
    assert concrete_nouns(tmp_path, read_nouns()) == ["walrus"]


def test_conversations_fill_every_form(quick: Maker) -> None:
    talks = [*all_talks(quick, 7)]
    assert len(talks) == sum(kind.count for kind in KINDS.values()) >= 120
    for talk in talks:
        assert isinstance(talk.source, Scene)
        assert "{" not in "".join(talk.asked)
        kind = next(KINDS[name] for name in talk.strata if name in KINDS)
        assert bool(talk.request.removed) == bool(kind.due)
        assert {*talk.request.removed} <= {*range(len(talk.source.things))}
    assert len({talk.asked for talk in talks}) > 0.9 * len(talks)


def test_there_are_enough_clips_of_every_stratum(quick: Maker) -> None:
    clips = [*all_clips(quick, 7)]
    assert len({clip.name for clip in clips}) == len(clips) >= 240
    counts = Counter(stratum for clip in clips for stratum in clip.strata)
    assert all(count >= 4 for count in counts.values()), counts


THINGS = (
    Described(("ball", "sphere"), ("balls", "spheres"), "red", 0.3, 0.2, 0.5, False),
    Described(("ball", "sphere"), ("balls", "spheres"), "blue", 0.2, 0.8, 0.5, True),
    Described(("star",), ("stars",), "red", 0.3, 0.5, 0.2, False),
    Described(("coffee cup", "cup"), ("cups",), None, 0.3, 0.5, 0.8, False),
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("remove the red ball", (0,)),
        ("Remove the ball on the left.", (0,)),
        ("the sphere on the right", (1,)),
        ("the small ball and the star", (1, 2)),
        ("remove the star, the coffee cup and the blue ball", (1, 2, 3)),
        ("remove both balls", (0, 1)),
        ("everything", (0, 1, 2, 3)),
        ("everything except the star", (0, 1, 3)),
        ("all balls but the red one", (1,)),
        ("the moving ball", (1,)),
        ("the object at the top", (2,)),
        ("remove the ball", None),
        ("remove the red one", None),
        ("remove the dog", None),
        ("remove the purple ball", None),
        ("the star on the right hand of the king", None),
        ("remove the ball at the top", None),
        ("the star at the bottom", None),
        ("", None),
    ],
)
def test_which_things_words_name(words: str, expected: tuple[int, ...] | None) -> None:
    assert things_named(words, THINGS) == expected


# Configurations, and what needs the assets


@pytest.mark.parametrize(
    "name",
    ["heldout_eval", "heldout_large_eval", "heldout_long_eval", "heldout_chat_eval"],
)
def test_configurations_can_be_read(name: str) -> None:
    config = read_evaluation_config(ROOT / "train" / "configs" / f"{name}.yaml", {})
    assert config.data.kind == "reader"
    assert config.data.source.kind == "heldout"


def test_dyeing_changes_the_main_colour_alone() -> None:
    picture = np.zeros((20, 20, 4), np.float32)
    picture[2:18, 2:18] = [0.9, 0.1, 0.1, 1]
    picture[8:10, 8:10] = [0.1, 0.1, 0.9, 1]
    dyed = trim(dye(picture, COLOURS["green"]))
    assert dyed.shape == (16, 16, 4)
    assert np.abs(dyed[0, 0, :3] * 255 - np.array(COLOURS["green"])).max() < 8
    assert np.array_equal(dyed[6, 6], picture[8, 8])


def test_real_strata_from_the_assets(tmp_path: Path) -> None:
    if not ASSETS.is_dir():
        pytest.skip("needs `python -m train.data.heldout.fetch`, which downloads packages")
    assets = Assets.open(ASSETS)
    maker = Maker(assets, read_nouns(), first_nouns())
    seen = {clip.name: clip for clip in islice(all_clips(maker, 20, SMALL), 3)}
    clips = [seen["reserved icon style 0"], seen["photographs behind 0"], next(real_clips())]
    write_clips(clips, assets, tmp_path)
    icon, photographed, real = read_all(tmp_path)
    assert icon.removed
    assert photographed.removed
    assert not real.removed
    assert np.array_equal(real.source, real.target)
    assert isinstance(clips[2].source, Footage)
    assert (real.source[0] != real.source[-1]).any()


@pytest.mark.slow
def test_scenes_of_every_noun(tmp_path: Path) -> None:
    if not ASSETS.is_dir():
        pytest.skip("needs `python -m train.data.heldout.fetch`, which downloads packages")
    nouns = read_nouns()
    maker = Maker(Assets.open(ASSETS), nouns, tuple(nouns))
    shown = set()
    for number, noun in enumerate(nouns):
        for style in ("drawn", "icon", "mixed"):
            wish = Wish(noun, size=(0.5, 0.5), plain=number % 2 == 0)
            setting = Setting(style=style, frames=1)
            scene = maker.scene(np.random.default_rng(number), [wish], setting)
            shown.add(scene.things[0].noun)
    assert shown == {*nouns}


def test_clips_do_not_depend_on_each_other() -> None:
    assert rng_of(1, "a").random() == rng_of(1, "a").random() != rng_of(1, "b").random()
