"""Requests that compare things: superlatives, places, motion, neighbours, exceptions, counts."""

from collections.abc import Callable, Sequence

import numpy as np

from .assets import plural
from .clip import Request
from .placing import Maker, Setting, Wish
from .plain import USUAL, Made, colours, wishes
from .scene import Thing


def superlative(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove the biggest object."""
    largest, count = bool(rng.random() < 0.5), int(rng.integers(3, 5))
    sizes = [(0.44, 0.52), (0.2, 0.27)] if largest else [(0.15, 0.18), (0.29, 0.38)]
    same = bool(rng.random() < 0.4)
    nouns = maker.choose(rng, setting.style, count, dyed=True)
    nouns = nouns[:1] * count if same else nouns
    found = colours(rng, min(count, 4))
    wished = [
        Wish(n, c, sizes[min(i, 1)]) for i, (n, c) in enumerate(zip(nouns, found, strict=True))
    ]
    words = ("biggest", "largest") if largest else ("smallest", "tiniest")
    what = nouns[0] if same else str(rng.choice(["object", "thing"]))
    sentence = f"remove the {rng.choice(words)} {what}"
    return maker.scene(rng, wished, setting), Request(sentence, (0,), "superlative")


def outermost(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove the leftmost object."""
    axis = 0 if rng.random() < 0.7 else 1
    last = int(rng.integers(2))
    sign = -1 if last else 1
    words = {
        (0, 0): ("the leftmost {}", "the {} furthest to the left"),
        (0, 1): ("the rightmost {}", "the {} farthest on the right"),
        (1, 0): ("the topmost {}", "the {} that is highest up"),
        (1, 1): ("the lowest {}", "the {} nearest to the bottom"),
    }[axis, last]
    count, same = int(rng.integers(3, 5)), bool(rng.random() < 0.5)
    nouns = maker.choose(rng, setting.style, count, dyed=True)
    nouns = nouns[:1] * count if same else nouns
    wished = [Wish(noun, size=(0.2, 0.28)) for noun in nouns]

    def check(things: Sequence[Thing]) -> bool:
        first, *others = (thing.path[0, axis] for thing in things)
        return all((other - first) * sign > 0.16 for other in others)

    scene = maker.scene(rng, wished, setting, check)
    what = nouns[0] if same else "object"
    return scene, Request(f"remove {rng.choice(words).format(what)}", (0,), "outermost")


def motion(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove the object that does not move."""
    rests, same = bool(rng.random() < 0.6), bool(rng.random() < 0.5)
    count = int(rng.integers(2, 4))
    nouns = maker.choose(rng, setting.style, count, dyed=True)
    nouns = nouns[:1] * count if same else nouns
    wished = [Wish(n, size=(0.2, 0.3), moves=rests != (i == 0)) for i, n in enumerate(nouns)]
    what = nouns[0] if same else "object"
    words = (
        (f"the {what} that does not move", f"the {what} that stays still", f"the still {what}")
        if rests
        else (f"the only {what} that moves", f"the {what} that is moving")
    )
    return maker.scene(rng, wished, setting), Request(f"remove {rng.choice(words)}", (0,), "motion")


def neighbour(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove the ball next to the cup, where another ball is far from it."""
    aspect = setting.size[1] / setting.size[0]
    place, other = maker.choose(rng, setting.style, 2, dyed=True)
    size, words = 0.24, str(rng.choice(["next to", "beside", "above", "below"]))
    step = {"above": (0, -1), "below": (0, 1)}.get(words) or (int(rng.choice([-1, 1])), 0)
    near = size * 1.12
    while True:
        anchor = rng.uniform([0.14, 0.14], [aspect - 0.14, 0.86])
        target = anchor + np.array(step) * near
        far = rng.uniform([0.14, 0.14], [aspect - 0.14, 0.86])
        inside = 0.13 < target[0] < aspect - 0.13 and 0.13 < target[1] < 0.87
        apart = min(np.hypot(*(far - anchor)), np.hypot(*(far - target)))
        opposite = words not in ("above", "below") or (far - anchor)[1] * step[1] < 0.02
        if inside and apart > 0.5 and opposite:
            break
    paths = [np.repeat(p[None], setting.frames, axis=0) for p in (target, far, anchor)]
    colour = colours(rng, 2)
    wished = [
        Wish(place, colour[0], (size, size), path=paths[0]),
        Wish(place, colour[0], (size, size), path=paths[1]),
        Wish(other, colour[1], (size, size), path=paths[2]),
    ]
    sentence = f"remove the {place} {words} the {other}"
    return maker.scene(rng, wished, setting), Request(sentence, (0,), "next to")


def exception(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove everything except the cup."""
    wished, kept = _one_of_many(rng, maker, setting)
    words = ("everything except", "everything but", "all objects apart from", "all but")
    sentence = f"remove {rng.choice(words)} {kept}"
    rest = tuple(range(1, len(wished)))
    return maker.scene(rng, wished, setting), Request(sentence, rest, "except")


def keep_only(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Keep only the cup."""
    wished, kept = _one_of_many(rng, maker, setting)
    words = ("keep only {}", "leave only {} in the video", "keep {} and remove the rest")
    rest = tuple(range(1, len(wished)))
    sentence = str(rng.choice(words)).format(kept)
    return maker.scene(rng, wished, setting), Request(sentence, rest, "keep only")


def both(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove both balls; or both the ball and the star."""
    if rng.random() < 0.5:
        nouns = maker.choose(rng, setting.style, 2, dyed=True)
        wished = [Wish(n, size=USUAL) for n in (nouns[0], nouns[0], nouns[1])]
        sentence = f"remove both {plural(nouns[0], maker.nouns)}"
    else:
        wished = wishes(rng, maker, setting, 3, USUAL)
        sentence = f"remove both the {wished[0].noun} and the {wished[1].noun}"
    return maker.scene(rng, wished, setting), Request(sentence, (0, 1), "both")


def all_of_a_kind(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove all the stars."""
    nouns, count = maker.choose(rng, setting.style, 2, dyed=True), int(rng.integers(2, 4))
    wished = [Wish(n, size=(0.2, 0.28)) for n in (*[nouns[0]] * count, nouns[1])]
    word = plural(nouns[0], maker.nouns)
    sentence = f"remove {rng.choice([f'all the {word}', f'all {word}', f'every {nouns[0]}'])}"
    return maker.scene(rng, wished, setting), Request(sentence, tuple(range(count)), "all")


def all_but(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    """Remove all stars but the red one."""
    nouns, found = maker.choose(rng, setting.style, 2, dyed=True), colours(rng, 4)
    wished = [Wish(nouns[0], c, (0.2, 0.28)) for c in found[:3]]
    wished.append(Wish(nouns[1], found[3], (0.2, 0.28)))
    words = (
        "remove all {} but the {} one",
        "remove all the {} except the {} one",
        "remove the {} that are not {}",
    )
    sentence = str(rng.choice(words)).format(plural(nouns[0], maker.nouns), found[0])
    return maker.scene(rng, wished, setting), Request(sentence, (1, 2), "all but")


def _one_of_many(
    rng: np.random.Generator, maker: Maker, setting: Setting
) -> tuple[list[Wish], str]:
    """Three or four things, and words for the first of them."""
    count = int(rng.integers(3, 5))
    nouns, found = maker.choose(rng, setting.style, count, dyed=True), colours(rng, count)
    wished = [Wish(n, c, (0.2, 0.32)) for n, c in zip(nouns, found, strict=True)]
    coloured = rng.random() < 0.4
    return wished, f"the {found[0]} {nouns[0]}" if coloured else f"the {nouns[0]}"


Relation = Callable[[np.random.Generator, Maker, Setting], Made]
RELATIONS: dict[str, tuple[Relation, int]] = {
    "superlatives": (superlative, 10),
    "leftmost and alike": (outermost, 10),
    "still or moving": (motion, 10),
    "next to": (neighbour, 8),
    "except": (exception, 8),
    "keep only": (keep_only, 8),
    "both": (both, 6),
    "all of a kind": (all_of_a_kind, 6),
    "all but": (all_but, 6),
}
"""Strata of comparing requests: how they are made, and how many clips each has."""
