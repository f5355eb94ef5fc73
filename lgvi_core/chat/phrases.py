"""Noun phrases of a removal prompt, for text-to-mask models that take only those."""

import re

_VERB = re.compile(r"^\W*(please\s+)?(remove|delete|erase|take\s+away|get\s+rid\s+of)\s+", re.I)
_DETERMINER = r"(?:the|a|an|all|both|this|that|these|those|his|her|their|its|my|your)\b"
# "the black and white dog" is one object: "and" separates two only before another determiner.
_SEPARATOR = re.compile(rf"\s*(?:,|;)\s*(?:and\s+)?|\s+and\s+(?={_DETERMINER})", re.I)
_ARTICLES = re.compile(r"^(?:(?:the|a|an|all|both)\s+)+", re.I)

_NUMBERS = {"both": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_NUMBER = re.compile(rf"^(?:the\s+)?({'|'.join(_NUMBERS)}|\d+)\s+(?:of\s+the\s+|the\s+)?", re.I)
_ALL = re.compile(r"^(?:all|these|those|every|each)\b", re.I)
# The head of "birds on the left" is the last word before the preposition.
_DETAILS = re.compile(
    r"\s+(?:on|in|at|of|with|without|near|behind|before|under|over|above|below|beside|between|"
    r"around|next|to|from|by|who|that|which|wearing|holding)\s+.*",
    re.I,
)
_PLURALS = {"people", "children", "men", "women", "geese", "mice", "feet", "teeth"}
_SINGULAR_ENDINGS = ("ss", "us", "is")
MANY = 64
"""Most things that SAM 3 follows: the number that a phrase gets which means all there are."""


def counted_phrases(prompt: str) -> tuple[str, ...]:
    """Return the noun phrases with how many things each means, where that is more than one.

    ComfyUI's SAM3_Detect finds a single thing for a phrase unless a number follows it. "remove the
    birds, both cats and the dog" gives ("birds:64", "cats:2", "dog").
    """
    return tuple(f"{phrase}:{n}" if n > 1 else phrase for phrase, n in _counted(prompt))


def _counted(prompt: str) -> list[tuple[str, int]]:
    words = _VERB.sub("", prompt.strip().rstrip(".!"))
    counted = []
    for part in _SEPARATOR.split(words):
        phrase = _ARTICLES.sub("", part.strip())
        number = _NUMBER.match(part.strip())
        if not phrase:
            continue
        if number is None:
            counted.append((phrase, MANY if _ALL.match(part.strip()) or _is_plural(phrase) else 1))
            continue
        count = number[1].lower()
        named = part.strip()[number.end() :]
        counted.append((named or phrase, _NUMBERS.get(count) or int(count)))
    return counted


def _is_plural(phrase: str) -> bool:
    head = _DETAILS.sub("", phrase).split()[-1].lower()
    return head in _PLURALS or (head.endswith("s") and not head.endswith(_SINGULAR_ENDINGS))


def noun_phrases(prompt: str) -> tuple[str, ...]:
    """Split a prompt into its noun phrases, without the verb and the articles.

    "remove the bird on the left and the cat" gives ("bird on the left", "cat").
    """
    words = _VERB.sub("", prompt.strip().rstrip(".!"))
    phrases = (_ARTICLES.sub("", part.strip()) for part in _SEPARATOR.split(words))
    return tuple(phrase for phrase in phrases if phrase)
