"""Requests about collages: true of exactly what they remove."""

import numpy as np
import pytest

from train.data.collage.scenes import Thing
from train.data.collage.vocabulary import vocabulary
from train.data.language import wording
from train.data.language.idle_requests import ABSENT, ALIKE
from train.data.language.naming import View
from train.data.language.requests import KINDS, ask

UNKNOWN = ["harbour", "violin"]
FRAMES = 3


def thing(
    noun: str, colour: str | None, x: float, y: float = 0.5, size: float = 0.2, speed: float = 0.0
) -> Thing:
    path = np.array([[x + speed * f, y] for f in range(FRAMES)])
    return Thing(noun, colour, path, np.full(FRAMES, size), path)


def view(*things: Thing, shares: list[float] | None = None, shows: tuple[str, ...] = ()) -> View:
    return View(things, np.array(shares or [1.0] * len(things)), shows)


def asked(seen: View, kind: str, count: int = 60, present: tuple[int, ...] | None = None):
    """Requests of one kind about a view."""
    only = {k: float(k == kind) for k in KINDS} | {"absent": 0.0}
    whole = tuple(range(len(seen.things))) if present is None else present
    found = [
        ask(np.random.default_rng(i), seen, whole, lambda kept: True, UNKNOWN, only)
        for i in range(count)
    ]
    return [r for r in found if r.kind == kind]


TWINS = view(thing("ball", "red", 0.2), thing("ball", "red", 0.9), thing("star", "blue", 0.5, 0.1))


def test_every_kind_and_every_way_to_ask_for_nothing_comes() -> None:
    scene = view(
        thing("ball", "red", 0.15, size=0.15),
        thing("ball", "red", 0.95, 0.3, size=0.3, speed=0.05),
        thing("star", "blue", 0.3, 0.35),
        thing("dog", "brown", 0.6, 0.8),
    )
    kinds = {
        ask(np.random.default_rng(i), scene, (0, 1, 2, 3), lambda kept: True, UNKNOWN).kind
        for i in range(1500)
    }
    assert kinds == {*KINDS, *ABSENT}


def test_a_name_is_used_only_where_one_thing_has_it() -> None:
    found = asked(TWINS, "name")
    assert found and all(r.removed == (2,) for r in found)
    words = {"star", *vocabulary().nouns["star"].say}
    plain = [r for r in found if any(w in r.sentence.lower() for w in words)]
    assert len(plain) > 0.85 * len(found)  # the rest has a typo


@pytest.mark.parametrize(
    ("kind", "words", "removed"),
    [
        ("name and place", ("left",), (0,)),
        ("name and place", ("right",), (1,)),
        ("extreme", ("leftmost", "furthest to the left"), (0,)),
    ],
)
def test_places_are_those_of_the_things(kind: str, words, removed: tuple[int, ...]) -> None:
    found = [
        r
        for r in asked(TWINS, kind, 300)
        if "ball" in r.sentence.lower() and any(w in r.sentence.lower() for w in words)
    ]
    assert len(found) > 5 and all(r.removed == removed for r in found)


def test_sizes_motion_and_relations_single_things_out() -> None:
    sizes = view(thing("ball", "red", 0.2, size=0.1), thing("ball", "red", 0.9, size=0.3))
    for kind in ("size", "superlative"):
        found = asked(sizes, kind, 200)
        big = [r for r in found if "large" in r.sentence.lower() or "big" in r.sentence.lower()]
        assert len(big) > 5 and all(r.removed == (1,) for r in big)
    moving = view(thing("cat", "red", 0.2), thing("cat", "red", 0.5, speed=0.06))
    found = [r for r in asked(moving, "motion", 200) if "not" not in r.sentence.lower()]
    assert found
    for request in found:
        still = any(w in request.sentence.lower() for w in ("still", "stationary"))
        moves = any(w in request.sentence.lower() for w in ("moving", "moves", "motion"))
        assert not still or request.removed == (0,)
        assert not moves or request.removed == (1,)
    near = view(
        thing("ball", "red", 0.2), thing("ball", "red", 1.1), thing("star", None, 0.35, 0.6)
    )
    found = [r for r in asked(near, "beside", 300) if " star" in r.sentence.lower()]
    balls = [r for r in found if "ball" in r.sentence.lower().split(" the star")[0]]
    assert balls and all(r.removed == (0,) for r in balls)
    relative = asked(near, "relative", 300)
    left = [r for r in relative if "ball" in r.sentence.lower() and "left of" in r.sentence]
    assert left and all(r.removed == (0,) for r in left)


def test_keeping_removes_all_the_others_even_those_hardly_seen() -> None:
    scene = view(
        thing("dog", None, 0.2),
        thing("car", "red", 0.6),
        thing("key", "blue", 1.2),
        shares=[1.0, 1.0, 0.15],
    )
    for kind in ("keep", "except"):
        for request in asked(scene, kind):
            assert 2 in request.removed and len(request.removed) == 2
    for request in asked(scene, "everything"):
        assert request.removed == (0, 1, 2)


def test_what_is_hardly_seen_is_neither_named_nor_called_absent() -> None:
    scene = view(thing("dog", None, 0.2), thing("car", "red", 0.6), shares=[1.0, 0.15])
    for number in range(400):
        rng = np.random.default_rng(number)
        request = ask(rng, scene, (0, 1), lambda kept: True, UNKNOWN)
        if request.kind in ("name", "colour and name"):
            assert request.removed == (0,)
        if request.kind == "absent":
            assert "car" not in request.sentence.lower().rstrip(".!").split()


def test_a_group_is_all_of_a_noun_or_a_colour() -> None:
    scene = view(thing("dog", "red", 0.2), thing("dog", "blue", 0.6), thing("key", "red", 0.9))
    for request in asked(scene, "group", 200):
        text = request.sentence.lower()
        if "dog" in text:
            assert request.removed == (0, 1)
        elif "thing" in text:
            assert request.removed == (0, 2)


def test_a_colour_is_not_used_where_another_thing_may_have_it() -> None:
    scene = view(thing("dog", "red", 0.2), thing("dog", None, 0.8))
    assert not asked(scene, "colour and name") and not asked(scene, "colour")
    for number in range(300):
        request = ask(np.random.default_rng(number), scene, (0, 1), lambda kept: True, UNKNOWN)
        assert request.kind != "near miss" or " dog" not in request.sentence.lower()


def test_a_near_miss_is_not_nearly_right() -> None:
    scene = view(thing("key", "red", 0.5))
    for number in range(600):
        request = ask(np.random.default_rng(number), scene, (0,), lambda kept: True, UNKNOWN)
        if request.kind == "near miss" and " key" in request.sentence.lower():
            alike = {c for pair in ALIKE if "red" in pair for c in pair}
            assert not any(f" {c} " in request.sentence.lower() for c in alike)


def test_absent_things_are_neither_there_nor_behind() -> None:
    scene = view(thing("dog", "red", 0.5), shows=("rocket",))
    for number in range(600):
        request = ask(np.random.default_rng(number), scene, (0,), lambda kept: True, UNKNOWN)
        if request.kind in ("absent", "unknown"):
            words = request.sentence.lower().rstrip(".!").split()
            assert not {"dog", "dogs", "rocket", "rockets"} & set(words)
            assert request.removed == ()


def test_only_pictures_that_exist_are_asked_for() -> None:
    allowed = {(1, 2), ()}
    for number in range(300):
        rng = np.random.default_rng(number)
        request = ask(rng, TWINS, (0, 1, 2), allowed.__contains__, UNKNOWN)
        assert request.removed in ((0,), (0, 1, 2), ())


def test_nothing_is_removed_from_an_empty_scene() -> None:
    empty = View((), np.zeros(0), ())
    kinds = set()
    for number in range(300):
        request = ask(np.random.default_rng(number), empty, (), lambda kept: True, UNKNOWN)
        assert request.removed == () and request.sentence.strip()
        kinds.add(request.kind)
    assert kinds == {"absent", "unknown", "talk"}


def test_a_typo_changes_one_long_word_a_little() -> None:
    changed = 0
    for number in range(50):
        text = wording.with_typo(np.random.default_rng(number), "remove the red balloon")
        before, after = ["remove", "the", "red", "balloon"], text.split()
        assert len(before) == len(after)
        differing = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(differing) <= 1
        for one, other in differing:
            assert len(one) > 3 and abs(len(one) - len(other)) <= 1 and one[0] == other[0]
            changed += 1
    assert changed > 35
    assert wording.with_typo(np.random.default_rng(0), "the red car") == "the red car"
