"""What an answer of a model must be; what it is not is said in a few words, for counting."""

import re
from collections.abc import Sequence

from lgvi_core.chat.marks import MARK, find_prompts

from ..export.statistics import words

_FORBIDDEN = re.compile(
    r"\b(masks?|masked|segmentation|annotat\w*|pixels?|bounding box\w*|object id)\b", re.I
)
_LEAD = re.compile(r"^\s*(person|user|request|assistant|answer|reply)\s*:\s*", re.I)
_ORDER = re.compile(r"^\s*(please\s+)?(remove|delete|erase)\b", re.I)
_LONGEST = 120
_SHORTEST = 4
SAME = 0.5
"""Share of the words of an expression that the prompt must have."""


def cleaned(text: str) -> str:
    """An answer without its label, its quotes and its line breaks."""
    text = _LEAD.sub("", " ".join(text.split()))
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def wrong_with_description(text: str) -> str:
    """Why a description cannot be used; empty where it can."""
    return _length(text)


def wrong_with_request(text: str) -> str:
    """Why a request cannot be used; empty where it can."""
    if found := _FORBIDDEN.search(text):
        return f"names a {found[0].lower()}"
    if MARK.search(text):
        return "has prompt marks"
    if _ORDER.match(text):
        return "is a plain order"
    return _length(text)


def wrong_with_reply(text: str, expressions: Sequence[str]) -> str:
    """Why a reply cannot be used; empty where it can."""
    prompts = find_prompts([*map(ord, text)], lambda part: "".join(map(chr, part)))
    marks = MARK.findall(text)
    if len(prompts) != 1 or len(marks) != 2 or not prompts[0].closed:
        return f"has {len(prompts)} prompts"
    said = set(words(prompts[0].text))
    for expression in expressions:
        named = set(words(expression))
        if named and len(named & said) >= SAME * len(named):
            return _length(text)
    return "its prompt does not name the object"


def _length(text: str) -> str:
    count = len(text.split())
    if count < _SHORTEST:
        return "is too short"
    return "is too long" if count > _LONGEST else ""
