"""Collages: their words, pictures and scenes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from lgvi_core.errors import LGVIError
from support.collages import UNKNOWN, write_collage_folder
from train.data.collage import backgrounds, camera, fetch, look, nouns, scenes
from train.data.collage.icons import icons_of
from train.data.collage.pack import pack
from train.data.collage.vocabulary import FILE, vocabulary
from train.data.drawn.sprites import NOUNS
from train.data.generated.collages import CollageReader

ASPECT = 1.25


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_collage_folder(tmp_path_factory.mktemp("collage"))


def sampled(folder: Path, seed: int, frames: int = 1) -> scenes.Collage:
    return scenes.sample_collage(np.random.default_rng(seed), folder, frames, ASPECT)


def test_the_vocabulary_has_every_drawn_noun_and_no_word_twice() -> None:
    words = [w for n in vocabulary().nouns.values() for w in (n.name, *n.say)]
    assert len(words) == len(set(words))
    assert set(NOUNS) <= set(vocabulary().nouns)
    colours = [w for c in vocabulary().colours.values() for w in (c.name, *c.say)]
    assert len(colours) == len(set(colours)) and not set(colours) & set(words)
    assert set(yaml.safe_load(FILE.read_text())) == {"nouns", "colours"}


def test_training_has_neither_the_held_out_style_nor_held_out_photographs() -> None:
    assert "fluent-emoji-flat" not in fetch.ICON_SETS
    for package, source in backgrounds.background_sources().items():
        for name in source.get("pictures", {}):
            path = Path(name)
            chosen = path.parts[3] if package == "plasma-workspace-wallpapers" else path.name
            assert int(hashlib.sha1(chosen.encode()).hexdigest()[0], 16) % 2 == 0, name
        assert source["licence"]


def test_nouns_shown_by_backgrounds_are_of_the_vocabulary(folder: Path) -> None:
    pictures = backgrounds.list_backgrounds(folder)
    shown = {noun for picture in pictures for noun in picture.shows}
    assert shown and shown <= set(vocabulary().nouns)
    assert any(p.is_clip for p in pictures)


def test_a_missing_background_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LGVIError, match=r"is missing: python -m train\.data\.collage\.fetch"):
        backgrounds.list_backgrounds(tmp_path)
    with pytest.raises(LGVIError, match="no icon sets"):
        icons_of(tmp_path, "dog")


def test_footage_is_read_whole_and_damage_is_named(folder: Path, tmp_path: Path) -> None:
    (clip,) = (p.path for p in backgrounds.list_backgrounds(folder) if p.is_clip)
    assert backgrounds.footage(clip).shape == (20, 48, 64, 3)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(LGVIError, match="cannot be read as a video"):
        backgrounds.footage(broken)


def test_an_icon_of_one_hue_is_recoloured_and_one_of_two_is_not(folder: Path) -> None:
    own, icon = icons_of(folder, "ball")
    assert own.style == "own" and icon.style == "shapes"
    assert icon.colour == "red" and icon.tinted is not None
    blue = icon.tinted.coloured((0.1, 0.2, 0.9), 64)
    middle = blue[32, 32]
    assert middle[2] > 0.8 and middle[0] < 0.2 and middle[3] == pytest.approx(1)
    red = icon.natural.coloured((0, 0, 0), 64)[32, 32]
    assert red[0] > 0.7 and red[2] < 0.2
    (pizza,) = icons_of(folder, "pizza")
    assert pizza.tinted is None and pizza.colour is None


def test_a_look_keeps_colours_within_the_alpha_and_adds_room() -> None:
    picture = np.zeros((40, 40, 4), np.float32)
    picture[10:30, 10:30] = 1
    for seed in range(30):
        given = look.sample_look(np.random.default_rng(seed))
        changed = look.apply_look(picture, given)
        assert len(changed) == 40 + 2 * round(look.PAD * 40)
        assert changed.min() >= 0 and changed.max() <= 1
        assert (changed[..., :3] <= changed[..., 3:] + 1e-5).all()
    plain = look.apply_look(picture, look.Look())
    assert np.allclose(plain[6:46, 6:46], picture)
    outlined = look.apply_look(picture, look.Look(outline=(0, 0, 0), outline_width=0.05))
    assert outlined[..., 3].sum() > plain[..., 3].sum() and outlined[..., :3].sum() == 1200
    shaded = look.apply_look(picture, look.Look(shadow=0.5))
    assert shaded[..., 3].sum() > plain[..., 3].sum()


def test_a_lens_treats_every_version_of_a_scene_alike() -> None:
    frames = np.full((2, 32, 32, 3), 0.5, np.float32)
    other = frames.copy()
    other[:, :8, :8] = 1
    lens = look.Lens(np.ones((2, 3)), blur=0.0, noise=0.02, quality=None, seed=3)
    one, two = look.through_lens(frames, lens), look.through_lens(other, lens)
    assert np.array_equal(one[:, 16:], two[:, 16:]) and one.std() > 2
    darker = look.Lens(np.full((2, 3), 0.5), blur=0.5, noise=0.0, quality=60, seed=0)
    assert look.through_lens(frames, darker).mean() == pytest.approx(64, abs=3)


def test_what_stands_in_the_scene_moves_with_the_camera() -> None:
    offset = np.array([[0.05, 0.1], [0.15, 0.1]])
    still = camera.Camera(offset, np.ones(2))
    path = np.array([[0.5, 0.5], [0.5, 0.5]])
    assert still.follow(path, ASPECT)[1] == pytest.approx([0.4, 0.5])
    zoomed = camera.Camera(np.zeros((2, 2)), np.array([1.0, 2.0]))
    assert zoomed.follow(path, 1.0)[1] == pytest.approx([0.5, 0.5])
    assert zoomed.follow(path + np.array([0.1, 0]), 1.0)[1] == pytest.approx([0.7, 0.5])


def test_the_same_seed_draws_the_same_collage(folder: Path) -> None:
    one, two = (sampled(folder, 5, frames=3) for _ in range(2))
    layers = [scenes.draw_collage(c, 64, 80) for c in (one, two)]
    whole = range(len(one.pasted))
    assert np.array_equal(layers[0].compose(whole), layers[1].compose(whole))
    assert layers[0].background.shape == (3, 64, 80, 3)


def test_collages_have_up_to_six_things_that_masks_cover(folder: Path) -> None:
    counts, covered = set(), 0
    for seed in range(60):
        collage = sampled(folder, seed)
        layers = scenes.draw_collage(collage, 64, 80)
        counts.add(len(collage.pasted))
        shares = layers.shares()
        assert shares.shape == (len(collage.pasted), 1) and (shares <= 1).all()
        frames = layers.compose(range(len(collage.pasted)))
        for index, cover in enumerate(layers.masks()):
            if shares[index, 0] < 0.9:
                continue
            without = layers.compose([i for i in range(len(collage.pasted)) if i != index])
            changed = np.abs(frames[0].astype(int) - without[0]).sum(-1) > 150
            assert cover[0][changed].mean() > 0.5 if changed.any() else True
            covered += int(changed.any())
    assert {0, 1, 2, 3} <= counts <= {0, 1, 2, 3, 4, 5, 6} and covered > 40


def test_the_share_that_is_seen_falls_outside_the_frame_and_behind_others(folder: Path) -> None:
    seen = []
    for seed in range(60):
        collage = sampled(folder, seed, frames=3)
        layers = scenes.draw_collage(collage, 64, 80)
        for index, thing in enumerate(collage.things):
            inside = (thing.path > 0).all() and (thing.path < [ASPECT, 1]).all()
            seen.append((inside, layers.shares()[index].min()))
    outside = [share for inside, share in seen if not inside]
    within = [share for inside, share in seen if inside]
    assert outside and np.mean(outside) < 0.6 < np.mean(within)


def test_unknown_nouns_are_of_training_and_not_of_the_vocabulary(folder: Path) -> None:
    found = set(nouns.unknown_nouns(folder))
    assert found == {word for word in UNKNOWN if nouns.for_training(word)}
    assert 0 < len(found) < len(UNKNOWN)
    with pytest.raises(LGVIError, match="fetch"):
        nouns.unknown_nouns(folder / "elsewhere")


def test_reader_draws_the_clip_without_what_the_sentence_names(folder: Path) -> None:
    reader = CollageReader(folder, "held-out", (64, 80), 40)
    removals = 0
    for number in range(40):
        sample = reader.read(number, 2, np.random.default_rng(0))
        assert sample.source.shape == (2, 64, 80, 3) and sample.sentence
        if not sample.removed:
            assert np.array_equal(sample.source, sample.target) and not sample.mask.any()
            continue
        removals += 1
        far = sample.mask == 0
        difference = np.abs(sample.source.astype(int) - sample.target)[far]
        assert difference.mean() < 2
        assert set(sample.without) == set(range(len(sample.object_masks))) - set(sample.removed)
    assert removals > 15
    again = reader.read(7, 2, np.random.default_rng(9))
    assert np.array_equal(again.source, reader.read(7, 2, np.random.default_rng(1)).source)
    other = CollageReader(folder, "train", (64, 80), 40).read(7, 2, np.random.default_rng(9))
    assert not np.array_equal(again.source, other.source)
    with pytest.raises(IndexError):
        reader.read(40, 2, np.random.default_rng(0))


def test_a_packed_folder_draws_the_same_collages(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path)
    assert not list(tmp_path.glob("icons/*/icons.json"))
    assert nouns.unknown_nouns(tmp_path) == nouns.unknown_nouns(folder)
    for seed in range(6):
        drawn = []
        for place in (folder, tmp_path):
            collage = sampled(place, seed)
            layers = scenes.draw_collage(collage, 64, 80)
            drawn.append(layers.compose(range(len(collage.pasted))).astype(int))
        # Photographs of noise suffer most from being stored as JPEG.
        assert np.abs(drawn[0] - drawn[1]).mean() < 30
