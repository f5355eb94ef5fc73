"""Generated clips: deterministic, cleanly split, and with true sentences."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from support.data_sets import FRAMES, SIZE, generated, rng
from train.data.drawn.emoji import EMOJI, FONT, emoji_sprite
from train.data.drawn.numbered import scene_of
from train.data.drawn.photographs import PHOTOGRAPHS, photograph
from train.data.drawn.scenes import MOVES, STILL, Scene, SceneObject
from train.data.generated.reader import GeneratedReader
from train.data.generated.samples import make_sample
from train.data.language.expressions import describe_removal, sample_pair
from train.latent_cache import Shard

EMOJI_FONT = Path(os.environ.get("LGVI_EMOJI_FONT", FONT))


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


def test_turned_objects_differ_in_their_angles_alone() -> None:
    angles = []
    for number in range(20):
        plain = scene_of("held-out", number, FRAMES, 1.5)
        turned = scene_of("held-out", number, FRAMES, 1.5, turned=True)
        upright = [replace(o, tilt=before.tilt) for o, before in both(turned, plain)]
        assert str(upright) == str(list(plain.objects))
        for after, before in both(turned, plain):
            (by,) = np.unique(np.round(after.tilt - before.tilt, 6))
            angles.append(by)
    assert 0.1 < np.mean(np.array(angles) == 0) < 0.5
    assert min(angles) < -120 and max(angles) > 120


def test_shards_of_turned_scenes_have_names_and_scenes_of_their_own() -> None:
    plain, turned = Shard("video", 3), Shard("video", 3, turned=True)
    for shard in (plain, turned):
        assert Shard.from_stem(Path(shard.file_name).stem) == shard
    tilts = [abs(o.tilt[0]) for scene in turned.scenes() for o in scene.objects]
    assert max(tilts) > 90
    assert max(abs(o.tilt[0]) for scene in plain.scenes() for o in scene.objects) <= 12


@pytest.mark.parametrize("name", ["image", "photo-00001", "image-upright-00001", "video-last"])
def test_other_files_are_no_shards(name: str) -> None:
    with pytest.raises(LGVIError, match="take it out of the cache"):
        Shard.from_stem(name)


def both(one: Scene, other: Scene) -> list[tuple[SceneObject, SceneObject]]:
    return list(zip(one.objects, other.objects, strict=True))


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
    monkeypatch.setattr("train.data.drawn.photographs.find_spec", lambda name: None)
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


HUES = {  # degrees; ranges overlap, as a carrot is as near to yellow as a banana to orange
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


def test_emphasis_makes_a_kind_more_frequent_and_changes_nothing_else() -> None:
    def kinds(emphasis: dict[str, float]) -> list[str]:
        found = []
        for number in range(300):
            objects = scene_of("train", number, 1, 1.0).objects
            draw = rng(number)
            pair = sample_pair(draw, len(objects), emphasis=emphasis)
            found.append(describe_removal(draw, objects, *pair, emphasis=emphasis).kind)
        return found

    plain = kinds({})
    assert plain == kinds({"absent": 1.0})
    assert kinds({"absent": 3.0}).count("absent") > 2 * plain.count("absent") > 20
    assert kinds({"name": 8.0}).count("name") > 1.5 * plain.count("name") > 20
