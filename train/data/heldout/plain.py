"""Scenes with requests in the canonical words: "remove the red ball", "... on the left".

What differs between the strata that use them is what is seen, not what is said.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .assets import COLOURS
from .clip import Request
from .placing import Check, Maker, Setting, Wish
from .scene import Scene, Thing

Made = tuple[Scene, Request]
Range = tuple[float, float]
USUAL: Range = (0.24, 0.38)
_ALIKE = ({"red", "orange"}, {"orange", "yellow"}, {"blue", "purple"}, {"white", "yellow"})


def colours(rng: np.random.Generator, count: int) -> list[str]:
    """Choose colours that nobody confuses with each other; at most five."""
    while True:
        found = [str(c) for c in rng.permutation(list(COLOURS))[:count]]
        if not any(pair <= set(found) for pair in _ALIKE):
            return found


def wishes(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> list[Wish]:
    """Different things, of which half move; the colours may repeat."""
    nouns = maker.choose(rng, setting.style, count, dyed=False)
    return [
        Wish(noun, size=sizes, moves=bool(rng.random() < 0.5), plain=bool(rng.random() < 0.6))
        for noun in nouns
    ]


def by_name(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the ball."""
    wished = wishes(rng, maker, setting, count, sizes)
    scene = maker.scene(rng, wished, setting)
    return scene, Request(f"remove the {wished[0].noun}", (0,), "name")


def by_colour_and_name(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the red ball; often beside one of another colour."""
    nouns = maker.choose(rng, setting.style, count, dyed=True)
    if count > 1 and rng.random() < 0.6:
        nouns[1] = nouns[0]
    found = colours(rng, min(count, 5))
    wished = [
        Wish(noun, found[i % len(found)], sizes, bool(rng.random() < 0.5))
        for i, noun in enumerate(nouns)
    ]
    scene = maker.scene(rng, wished, setting)
    return scene, Request(f"remove the {found[0]} {nouns[0]}", (0,), "colour and name")


def by_name_and_place(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the ball on the left, of two that differ only in their place."""
    nouns = maker.choose(rng, setting.style, max(1, count - 1), dyed=True)
    colour = colours(rng, 1)[0]
    wished = [Wish(nouns[0], colour, sizes), Wish(nouns[0], colour, sizes)]
    wished += [Wish(noun, size=sizes) for noun in nouns[1 : count - 1]]
    words, check = side(rng, setting, (0, 1))
    scene = maker.scene(rng, wished, setting, check)
    return scene, Request(f"remove the {nouns[0]} {words}", (0,), "name and place")


def by_place(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the object on the left, of two."""
    wished = wishes(rng, maker, setting, 2, sizes)
    words, check = side(rng, setting, (0, 1))
    scene = maker.scene(rng, [still(w) for w in wished], setting, check)
    return scene, Request(f"remove the object {words}", (0,), "place")


def by_colour(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the red thing."""
    count = min(count, 4)
    found = colours(rng, count)
    nouns = maker.choose(rng, setting.style, count, dyed=True)
    wished = [
        Wish(n, c, sizes, bool(rng.random() < 0.5)) for n, c in zip(nouns, found, strict=True)
    ]
    scene = maker.scene(rng, wished, setting)
    return scene, Request(f"remove the {found[0]} thing", (0,), "colour")


def by_size(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the small ball, of two whose sizes differ by much."""
    nouns = maker.choose(rng, setting.style, max(1, count - 1), dyed=True)
    colour, small = colours(rng, 1)[0], bool(rng.random() < 0.5)
    ranges = [(0.19, 0.23), (0.4, 0.48)]
    wished = [Wish(nouns[0], colour, r) for r in (ranges if small else ranges[::-1])]
    wished += [Wish(noun, size=(0.22, 0.3)) for noun in nouns[1 : min(count - 1, 2)]]
    scene = maker.scene(rng, wished, setting)
    return scene, Request(f"remove the {'small' if small else 'big'} {nouns[0]}", (0,), "size")


def by_motion(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the moving ball, of two that look the same."""
    nouns = maker.choose(rng, setting.style, max(1, count - 1), dyed=True)
    colour = colours(rng, 1)[0]
    wished = [Wish(nouns[0], colour, sizes, True), Wish(nouns[0], colour, sizes)]
    wished += [Wish(noun, size=sizes) for noun in nouns[1 : min(count - 1, 2)]]
    scene = maker.scene(rng, wished, setting)
    return scene, Request(f"remove the moving {nouns[0]}", (0,), "motion")


def by_two_names(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove the ball and the star."""
    wished = wishes(rng, maker, setting, max(3, count), sizes)
    scene = maker.scene(rng, wished, setting)
    words = f"remove the {wished[0].noun} and the {wished[1].noun}"
    return scene, Request(words, (0, 1), "two objects")


def by_everything(
    rng: np.random.Generator, maker: Maker, setting: Setting, count: int, sizes: Range
) -> Made:
    """Remove everything."""
    scene = maker.scene(rng, wishes(rng, maker, setting, count, sizes), setting)
    return scene, Request("remove everything", tuple(range(count)), "everything")


Plain = Callable[[np.random.Generator, Maker, Setting, int, Range], Made]
PLAIN: tuple[Plain, ...] = (
    by_name,
    by_colour_and_name,
    by_name_and_place,
    by_colour_and_name,
    by_name,
    by_two_names,
    by_name_and_place,
    by_colour,
    by_size,
    by_motion,
    by_everything,
    by_place,
)
"""Kinds of requests, in the order in which a stratum takes them in turn."""


NAMING: tuple[Plain, ...] = (
    by_name,
    by_colour_and_name,
    by_name_and_place,
    by_colour_and_name,
    by_name,
    by_two_names,
)
"""Kinds of requests that name what they mean, and leave sizes and numbers of things alone."""
NAMING_ALL: tuple[Plain, ...] = (*NAMING, by_name_and_place, by_size, by_motion)
"""Kinds of requests that name what they mean: fit where the ground shows things as well."""


def still(wish: Wish) -> Wish:
    """The same wish for a thing that does not move."""
    return Wish(wish.noun, wish.colour, wish.size, False, wish.plain)


def side(rng: np.random.Generator, setting: Setting, pair: tuple[int, int]) -> tuple[str, Check]:
    """Words for a place, and whether the first of a pair is plainly there, and the other is not."""
    axis = 0 if setting.size[1] > setting.size[0] else int(rng.integers(2))
    last = int(rng.integers(2))
    words = (("on the left", "on the right"), ("at the top", "at the bottom"))[axis][last]
    length = setting.size[1] / setting.size[0] if axis == 0 else 1.0
    sign = -1 if last else 1

    def check(things: Sequence[Thing]) -> bool:
        first, other = (things[i].path[:, axis] for i in pair)
        apart = bool(((other - first) * sign > 0.28).all())
        return apart and bool(((length / 2 - first) * sign > 0.06).all())

    return words, check
