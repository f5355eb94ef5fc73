"""The clips of the held-out set, stratum by stratum. Each clip has a generator of its own."""

from collections.abc import Iterator
from dataclasses import replace

from .assets import COLOURS
from .clip import Clip, Request
from .common import SIZES, any_setting, before_footage, counted, rng_of
from .filmed import filmed_clips, long_clips, real_clips
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

LARGE_SIZES = ((192, 256), (256, 256), (180, 320))
LARGE = "larger frames"
CANONICAL = "canonical words"


def all_clips(maker: Maker, seed: int, share: float = 1.0) -> Iterator[Clip]:
    """All clips that ask by a sentence; `share` below 1 makes fewer of each stratum.

    Without a folder of assets, only the drawn strata are made.
    """
    yield from _seen(maker, seed, share)
    yield from _compared(maker, seed, share)
    yield from _pairs(maker, seed, share)
    yield from _unknown(maker, seed, share)
    yield from _absent(maker, seed, share)
    yield from filmed_clips(maker, seed, share)
    yield from long_clips(maker, seed, share)
    if maker.assets.folder is not None:
        yield from real_clips()


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
        for i in counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            size = LARGE_SIZES[i % 3] if stratum == LARGE else SIZES[i % 2]
            number = int(rng.integers(many[0], many[1] + 1))
            own = maker if setting.ground == "drawn" else before_footage(maker)
            made = kinds[i % len(kinds)](rng, own, replace(setting, size=size), number, sizes)
            yield Clip(name, *made, (stratum, "what is seen"))


def _compared(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    for stratum, (make, count) in RELATIONS.items():
        for i in counted(count, share):
            name = f"{stratum} {i}"
            rng = rng_of(seed, name)
            style = "mixed" if maker.assets.folder is not None and i % 2 else "drawn"
            made = make(rng, maker, Setting(style=style, size=SIZES[i // 2 % 2]))
            yield Clip(name, *made, (stratum, "comparing requests"))


def _pairs(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Scenes with a canonical request, and the same in other words."""
    for i in counted(20, share):
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
        for i in counted(count, share):
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
            setting = any_setting(maker, i)
            scene = maker.scene(rng, wishes(rng, maker, setting, 1 + i % 4, USUAL), setting)
            request = Request(sentence, (), stratum)
            yield Clip(name, scene, request, (stratum, "unknown words"))


def _absent(maker: Maker, seed: int, share: float) -> Iterator[Clip]:
    """Requests for known things that are not there, or only in another colour."""
    for i in counted(30, share):
        name = f"known but absent {i}"
        rng = rng_of(seed, name)
        setting = any_setting(maker, i // 3)
        own = maker if setting.ground == "drawn" else before_footage(maker)
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
