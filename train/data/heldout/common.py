"""What all makers of held-out clips share: sizes, numbers and settings."""

import hashlib

import numpy as np

from .assets import nouns_in_footage
from .placing import Maker, Setting

SIZES = ((128, 128), (96, 160))


def rng_of(seed: int, name: str) -> np.random.Generator:
    """The random numbers of the clip with this name: no other clip changes them."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()[:8]])


def counted(count: int, share: float) -> range:
    """The numbers of a stratum's clips: `share` of `count`, at least one."""
    return range(max(1, round(count * share)))


def before_footage(maker: Maker) -> Maker:
    """A maker that names nothing that real footage may show by itself."""
    shown = nouns_in_footage()
    return Maker(maker.assets, maker.nouns, [n for n in maker.known if n not in shown])


def any_setting(maker: Maker, number: int) -> Setting:
    """Settings in turn: drawn, with icons, before photographs; drawn alone without assets."""
    if maker.assets.folder is None:
        return Setting(size=SIZES[number % 2])
    settings = (("drawn", "drawn"), ("drawn", "icon"), ("photograph", "mixed"))
    return Setting(*settings[number % 3], size=SIZES[number // 3 % 2])
