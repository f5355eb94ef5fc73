"""Concrete nouns of a WordNet dictionary that name none of the things that scenes can show."""

import re
from collections.abc import Mapping
from pathlib import Path

from .assets import Noun

_CONCRETE = {"05", "06", "13"}
"""Lexicographer files: animals, artifacts, food."""
_UP, _DOWN = ("@", "@i"), ("~", "~i")
_WORD = re.compile(r"[a-z]{5,9}")

Synset = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]
"""Lexicographer file, words, and (symbol, offset) of the pointers to nouns."""


def concrete_nouns(folder: Path, known: Mapping[str, Noun]) -> list[str]:
    """Sorted words of `index.noun` and `data.noun` in `folder` that are usual and concrete.

    Left out are words for a known noun, its synonyms, what it is a kind of, and kinds of it.
    """
    synsets = dict(_read_synsets(folder / "data.noun"))
    senses, counts = _read_index(folder / "index.noun")
    named = {word for noun, entry in known.items() for word in (noun, *entry.synonyms)}
    near: set[str] = set(named)
    for noun in named:
        for offset in senses.get(noun.replace(" ", "_"), ()):
            for symbols in (_UP, _DOWN):
                for found in _closure(synsets, offset, symbols):
                    near.update(synsets[found][1])
    return sorted(
        word
        for word, offsets in senses.items()
        if _WORD.fullmatch(word)
        and counts[word] > 0
        and synsets[offsets[0]][0] in _CONCRETE
        and not {word, word.rstrip("s")} & near
    )


def _read_synsets(file: Path) -> list[tuple[str, Synset]]:
    found: list[tuple[str, Synset]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        parts = line.split(" | ")[0].split()
        count = int(parts[3], 16)
        words = tuple(word.lower() for word in parts[4 : 4 + 2 * count : 2])
        rest = parts[5 + 2 * count :]
        pointers = tuple(
            (rest[i], rest[i + 1]) for i in range(0, len(rest) - 3, 4) if rest[i + 2] == "n"
        )
        found.append((parts[0], (parts[1], words, pointers)))
    return found


def _read_index(file: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    senses: dict[str, tuple[str, ...]] = {}
    counts: dict[str, int] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        parts = line.split()
        number, pointers = int(parts[2]), int(parts[3])
        senses[parts[0]] = tuple(parts[-number:])
        counts[parts[0]] = int(parts[5 + pointers])
    return senses, counts


def _closure(synsets: dict[str, Synset], start: str, symbols: tuple[str, ...]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for symbol, offset in synsets[waiting.pop()][2]:
            if symbol in symbols and offset not in found:
                found.add(offset)
                waiting.append(offset)
    return found
