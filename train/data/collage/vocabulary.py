"""The vocabulary of the bundled models: nouns, colours, and other words for them."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("vocabulary.yaml")


@dataclass(frozen=True)
class Noun:
    """A noun, other words for it, its plural, and the names of its pictures in icon sets."""

    name: str
    say: tuple[str, ...]
    icons: tuple[str, ...]
    plural: str


@dataclass(frozen=True)
class Colour:
    """A colour word, its value in 0 to 1, and other words for it."""

    name: str
    rgb: tuple[float, float, float]
    say: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """All words that the bundled models know, by name."""

    nouns: dict[str, Noun]
    colours: dict[str, Colour]
    words: frozenset[str] = field(default_factory=frozenset)
    """Every single word that a known thing may be called by, singular and plural."""


@cache
def vocabulary() -> Vocabulary:
    """Read the vocabulary."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    nouns = {
        name: Noun(name, tuple(v["say"]), tuple(v["icons"]), v.get("plural", f"{name}s"))
        for name, v in content["nouns"].items()
    }
    colours = {
        name: Colour(name, tuple(v["rgb"]), tuple(v["say"]))
        for name, v in content["colours"].items()
    }
    named = {w for n in nouns.values() for w in (n.name, n.plural, *n.say)}
    named |= {w for c in colours.values() for w in (c.name, *c.say)}
    return Vocabulary(nouns, colours, frozenset(w for name in named for w in name.split()))
