"""The clips of the held-out set, stratum by stratum. Each clip has a generator of its own."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .assets import COLOURS, nouns_in_footage
from .clip import Clip, Footage, Request
from .placing import Maker, Setting, Wish
from .plain import (
    NAMING,
    NAMING_ALL,
    PLAIN,
    USUAL,
    Plain,
    Range,
    by_colour_and_name,
    by_name,
    colours,
    wishes,
)
from .relations import RELATIONS
from .wording import (
    COLOUR_SYNONYMS,
    GREETINGS,
    NONSENSE,
    colour_synonym,
    mistyped,
    noun_synonym,
    other_register,
    other_verb,
)

SIZES = ((128, 128), (96, 160))
LARGE_SIZES = ((192, 256), (256, 256), (180, 320))
LARGE = "larger frames"
LONG = "long clips"
REAL_ALONE = "real clips, nothing known"
REAL_KNOWN = "real clips, something known"
CANONICAL = "canonical words"


def rng_of(seed: int, name: str) -> np.random.Generator:
    """The random numbers of the clip with this name: no other clip changes them."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()[:8]])


def all_clips(maker: Maker, seed: int, share: float = 1.0) -> Iterator[Clip]:
    """All clips that ask by a sentence; `share` below 1 makes fewer of each stratum.

    Without a folder of assets, only the drawn strata are made.
    """
    yield from _seen(maker, seed, share)
    yield from _compared(maker, seed, share)
    yield from _pairs(maker, seed, share)
    yield from _unknown(maker, seed, share)
    yield from _absent(maker, seed, share)
    yield from _filmed(maker, seed, share)
    yield from _long(maker, seed, share)
    if maker.assets.folder is not None:
        yield from real_clips()


def _counted(count: int, share: float) -> range:
    return range(max(1, round(count * share)))


def _seen(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Strata that differ in what is seen; the requests are canonical."""
    photographed = Setting("photograph", "mixed")
    filmed = Setting("footage", "mixed")
    small: Range = (0.125, 0.18)
    table: list[tuple[str, int, Setting, Range, tuple[int, int], tuple[Plain, ...]]] = [
        ("own drawings", 36, Setting(), USUAL, (2, 4), PLAIN),
        ("reserved icon style", 36, Setting(style="icon"), USUAL, (2, 4), PLAIN),
        ("photographs behind", 36, photographed, USUAL, (2, 4), NAMING_ALL),
        ("footage behind", 18, filmed, USUAL, (1, 3), (by_name, by_colour_and_name)),
        ("small objects", 24, Setting(style="mixed"), small, (2, 3), NAMING),
        ("5 to 6 objects", 24, Setting(style="mixed"), (0.17, 0.26), (5, 6), NAMING),
        (LARGE, 12, photographed, USUAL, (2, 4), NAMING_ALL),
    ]
    for stratum, count, setting, sizes, many, kinds in table:
        if maker.assets.folder is None and (setting.ground, setting.style) != ("drawn", "drawn"):
            continue
        for i in _counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            size = LARGE_SIZES[i % 3] if stratum == LARGE else SIZES[i % 2]
            number = int(rng.integers(many[0], many[1] + 1))
            own = maker if setting.ground == "drawn" else _before_footage(maker)
            made = kinds[i % len(kinds)](rng, own, replace(setting, size=size), number, sizes)
            yield Clip(name, *made, (stratum, "what is seen"))


def _before_footage(maker: Maker) -> Maker:
    """A maker that names nothing that real footage may show by itself."""
    shown = nouns_in_footage()
    return Maker(maker.assets, maker.nouns, [n for n in maker.known if n not in shown])


def _compared(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    for stratum, (make, count) in RELATIONS.items():
        for i in _counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            style = "mixed" if maker.assets.folder is not None and i % 2 else "drawn"
            made = make(rng, maker, Setting(style=style, size=SIZES[i // 2 % 2]))
            yield Clip(name, *made, (stratum, "comparing requests"))


def _pairs(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Scenes with a canonical request, and the same in other words."""
    for i in _counted(20, share):
        name = f"{CANONICAL} {i}"
        rng = rng_of(seed, name)
        setting = Setting(size=SIZES[i % 2])
        by_noun = i % 2 == 0
        known = maker.choose(rng, "drawn", len(_drawn(maker)), dyed=True)
        spoken = [n for n in known if maker.nouns[n].synonyms] if by_noun else known
        noun, found = spoken[i // 2 % len(spoken)], colours(rng, 3)
        others = [n for n in known if n != noun][:2]
        wished = [
            Wish(n, c, USUAL, bool(rng.random() < 0.5))
            for n, c in zip((noun, *others), found, strict=True)
        ]
        scene = maker.scene(rng, wished, setting)
        phrase = f"the {found[0]} {noun}"
        canonical = f"remove {phrase}"
        yield Clip(name, scene, Request(canonical, (0,), "colour and name"), (CANONICAL,))
        variants = {
            "synonyms": noun_synonym(rng, canonical, noun, maker.nouns)
            if by_noun
            else colour_synonym(rng, canonical, found[0]),
            "typos": mistyped(rng, canonical, canonical.split()),
            "verbs": other_verb(rng, phrase),
            "manners": other_register(rng, phrase),
        }
        for stratum, sentence in variants.items():
            request = Request(sentence, (0,), "colour and name")
            yield Clip(f"{stratum} {i}", scene, request, (stratum, "other words"), pair_of=name)


def _drawn(maker: Maker) -> list[str]:
    return [noun for noun in maker.known if maker.offers(noun, "drawn", True)]


def _unknown(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Requests that name nothing that is known: nothing may change."""
    words = maker.assets.words() if maker.assets.folder is not None else ["walrus", "zither"]
    chosen = rng_of(seed, "unknown nouns").permutation(words)
    table = {"unknown nouns": 24, "nonsense": len(NONSENSE), "greetings": len(GREETINGS)}
    for stratum, count in table.items():
        for i in _counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            noun = str(chosen[i % len(chosen)])
            forms = (f"the {noun}", f"the {rng.choice(list(COLOURS))} {noun}",
                     f"the {noun} on the {rng.choice(['left', 'right'])}")  # fmt: skip
            sentence = {
                "unknown nouns": f"remove {forms[i % 3]}",
                "nonsense": NONSENSE[i % len(NONSENSE)],
                "greetings": GREETINGS[i % len(GREETINGS)],
            }[stratum]
            setting = _any_setting(maker, i)
            scene = maker.scene(rng, wishes(rng, maker, setting, 1 + i % 4, USUAL), setting)
            request = Request(sentence, (), stratum)
            yield Clip(name, scene, request, (stratum, "unknown words"))


def _any_setting(maker: Maker, number: int) -> Setting:
    if maker.assets.folder is None:
        return Setting(size=SIZES[number % 2])
    settings = (("drawn", "drawn"), ("drawn", "icon"), ("photograph", "mixed"))
    return Setting(*settings[number % 3], size=SIZES[number // 3 % 2])


def _absent(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Requests for known things that are not there, or only in another colour."""
    for i in _counted(30, share):
        name = f"known but absent {i}"
        rng = rng_of(seed, name)
        setting = _any_setting(maker, i // 3)
        own = maker if setting.ground == "drawn" else _before_footage(maker)
        wished = wishes(rng, own, setting, 1 + i % 3, USUAL)
        present = {wish.noun for wish in wished}
        absent = str(rng.choice([n for n in own.known if n not in present]))
        stratum = "known but absent"
        if i % 3 == 0:
            sentence = f"remove the {absent}"
        elif i % 3 == 1:
            sentence = f"remove the {rng.choice(list(COLOUR_SYNONYMS))} {absent}"
        else:  # a blue ball is there, a red one is asked for
            stratum = "known, in another colour"
            noun = own.choose(rng, setting.style, 1, dyed=True)[0]
            found = colours(rng, 2)
            rest = [wish for wish in wished[1:] if wish.noun != noun]
            wished = [Wish(noun, found[0], USUAL), *rest]
            sentence = f"remove the {found[1]} {noun}"
        scene = own.scene(rng, wished, setting)
        yield Clip(name, scene, Request(sentence, (), "absent"), (stratum, "absent things"))


def _filmed(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
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
        for i in _counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            setting = replace(
                _any_setting(maker, i),
                camera=camera,
                exposure=stratum == "exposure drifts",
                occluded=stratum == "occluded",
            )
            if stratum == "enters or leaves":
                made = _passing(rng, maker, setting)
            else:
                own = maker if setting.ground == "drawn" else _before_footage(maker)
                made = (by_name, by_colour_and_name)[i % 2](
                    rng, own, setting, int(rng.integers(2, 4)), USUAL
                )
            yield Clip(name, *made, (stratum, "filming"))


def _passing(rng: np.random.Generator, maker: Maker, setting: Setting):  # type: ignore[no-untyped-def]
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


def _long(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Clips of 120 frames in which the thing to remove leaves and returns."""
    frames = 120
    for i in _counted(4, share):
        name = f"{LONG} {i}"
        rng = rng_of(seed, name)
        setting = replace(_any_setting(maker, i), frames=frames)
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
        x = np.interp(np.arange(frames), *zip(*knots, strict=True))
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
