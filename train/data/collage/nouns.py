"""Nouns that no drawing shows, from WordNet, for requests that must change nothing."""

import hashlib
import re
from pathlib import Path

from lgvi_core.errors import LGVIError

from .vocabulary import vocabulary

PACKED_NOUNS = "nouns.txt"
INDEX = Path("files/usr/share/wordnet/index.noun")
_WORD = re.compile(r"[a-z]{3,12}(_[a-z]{3,10})?")
COMMON = 4  # how many times as often a noun is listed that WordNet has counted in real texts


def for_training(word: str) -> bool:
    """Whether training may use a word: its SHA-1 begins with an even hexadecimal digit.

    The other words are for testing.
    """
    return int(hashlib.sha1(word.encode()).hexdigest()[0], 16) % 2 == 0


def unknown_nouns(folder: Path) -> list[str]:
    """Read the nouns of training that the vocabulary does not know; common ones come COMMON times.

    Raises LGVIError if WordNet is missing.
    """
    packed = folder / PACKED_NOUNS
    if packed.is_file():
        return packed.read_text(encoding="utf-8").split("\n")
    path = folder / INDEX
    if not path.is_file():
        raise LGVIError(f"{path} is missing: python -m train.data.collage.fetch --output {folder}")
    known, found = vocabulary().words, []
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if line.startswith(" ") or not _WORD.fullmatch(parts[0]):
            continue
        word = parts[0].replace("_", " ")
        pieces = {*word.split(), *(w.removesuffix("s") for w in word.split())}
        if all(map(for_training, word.split())) and not pieces & known:
            counted = int(parts[-int(parts[2]) - 1]) > 0  # senses found in tagged texts
            found += [word] * (COMMON if counted else 1)
    return found
