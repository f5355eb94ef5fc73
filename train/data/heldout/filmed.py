"""Clips about the camera, about coming and going, long ones, and real footage as it is."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .clip import Clip, Footage, Request
from .common import SIZES, any_setting, before_footage, counted, rng_of
from .placing import Maker, Setting
from .plain import USUAL, Made, by_colour_and_name, by_name, wishes

LONG = "long clips"
REAL_ALONE = "real clips, nothing known"
REAL_KNOWN = "real clips, something known"


def filmed_clips(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Strata of the camera, of exposure, of what stands before things, and of coming and going."""
    table = {
        "camera pans": (8, "pan"),
        "camera zooms": (8, "zoom"),
        "camera shakes": (8, "shake"),
        "exposure drifts": (8, ""),
        "occluded": (10, ""),
        "enters or leaves": (10, ""),
    }
    for stratum, (count, camera) in table.items():
        for i in counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            setting = replace(
                any_setting(maker, i),
                camera=camera,
                exposure=stratum == "exposure drifts",
                occluded=stratum == "occluded",
            )
            if stratum == "enters or leaves":
                made = _passing(rng, maker, setting)
            else:
                own = maker if setting.ground == "drawn" else before_footage(maker)
                made = (by_name, by_colour_and_name)[i % 2](
                    rng, own, setting, int(rng.integers(2, 4)), USUAL
                )
            yield Clip(name, *made, (stratum, "filming"))


def _passing(rng: np.random.Generator, maker: Maker, setting: Setting) -> Made:
    aspect, frames = setting.size[1] / setting.size[0], setting.frames
    wished = wishes(rng, maker, setting, 2, (0.26, 0.34))
    y = float(rng.uniform(0.25, 0.75))
    x = np.linspace(0.55 * aspect, aspect + 0.25, frames)
    if rng.random() < 0.5:
        x = x[::-1]
    if rng.random() < 0.5:
        x = aspect - x
    path = np.stack([x, np.full(frames, y)], axis=1)
    first = replace(wished[0], path=path, moves=True)
    other = replace(wished[1], moves=False)
    scene = maker.scene(rng, [first, other], setting, visible=0.4)
    return scene, Request(f"remove the {first.noun}", (0,), "name")


def long_clips(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Clips of 120 frames in which the thing to remove leaves and returns."""
    frames = 120
    for i in counted(4, share):
        name = f"{LONG} {i}"
        rng = rng_of(seed, name)
        setting = replace(any_setting(maker, i), frames=frames)
        aspect = setting.size[1] / setting.size[0]
        wished = wishes(rng, maker, setting, 2, (0.26, 0.34))
        outside, inside = aspect + 0.3, 0.64 * aspect
        knots = (
            (0, inside),
            (12, inside),
            (40, outside),
            (70, outside),
            (98, inside),
            (119, inside),
        )
        when, where = (list(part) for part in zip(*knots, strict=True))
        x = np.interp(np.arange(frames), when, where)
        if i % 2:
            x = aspect - x
        y = 0.5 + 0.12 * np.sin(np.arange(frames) / 14)
        rest = 0.2 * aspect if i % 2 == 0 else 0.8 * aspect
        first = replace(wished[0], path=np.stack([x, y], 1), moves=True)
        still = np.tile([rest, float(rng.uniform(0.3, 0.7))], (frames, 1))
        other = replace(wished[1], path=still, moves=False)
        scene = maker.scene(rng, [first, other], setting, visible=0.5)
        yield Clip(name, scene, Request(f"remove the {first.noun}", (0,), "name"), (LONG,))


REAL: tuple[tuple[str, int, int, str], ...] = (
    ("vtest", 0, 5, "remove the people walking on the path"),
    ("vtest", 300, 5, "remove the man in the black coat"),
    ("vtest", 560, 5, "please remove the lamp post"),
    ("carphone", 0, 4, "remove the passenger"),
    ("carphone", 70, 4, "get rid of the bow tie"),
    ("bigbuckbunny", 0, 6, "remove the stone wall in the background"),
    ("bigbuckbunny", 80, 5, "take the moss away"),
    ("tree", 0, 5, "remove the wooden pole on the left"),
    ("tree", 46, 3, "remove the hand in front of the camera"),
    ("bikes", 150, 4, "remove the railing"),
    ("bikes", 186, 3, "remove the man walking past"),
    ("bikes", 34, 2, "remove the man in the suit"),
)
"""Film, first frame, step, and a natural sentence about something that no model here knows."""
REAL_SHOWN: tuple[tuple[str, int, int, str], ...] = (
    ("bikes", 151, 4, "remove the car"),
    ("bikes", 72, 3, "remove the car"),
    ("vtest", 400, 5, "remove the white car"),
    ("tree", 12, 4, "remove the tree"),
    ("bigbuckbunny", 90, 5, "remove the rabbit"),
    ("bikes", 215, 3, "remove the bicycle"),
)


def real_clips() -> Iterator[Clip]:
    """Real footage as it is: with a request for what nobody knows, and for something simple."""
    for stratum, table in ((REAL_ALONE, REAL), (REAL_KNOWN, REAL_SHOWN)):
        for i, (film, start, step, sentence) in enumerate(table):
            footage = Footage(film, start, step, SIZES[1])
            yield Clip(f"{stratum} {i}", footage, Request(sentence, (), stratum), (stratum,))
