"""Noun phrases of a removal prompt, for text-to-mask models that take only those."""

import re

_VERB = re.compile(r"^\W*(please\s+)?(remove|delete|erase|take\s+away|get\s+rid\s+of)\s+", re.I)
_DETERMINER = r"(?:the|a|an|all|both|this|that|these|those|his|her|their|its|my|your)\b"
# "the black and white dog" is one object: "and" separates two only before another determiner.
_SEPARATOR = re.compile(rf"\s*(?:,|;)\s*(?:and\s+)?|\s+and\s+(?={_DETERMINER})", re.I)
_ARTICLES = re.compile(r"^(?:(?:the|a|an|all|both)\s+)+", re.I)


def noun_phrases(prompt: str) -> tuple[str, ...]:
    """Split a prompt into its noun phrases, without the verb and the articles.

    "remove the bird on the left and the cat" gives ("bird on the left", "cat").
    """
    words = _VERB.sub("", prompt.strip().rstrip(".!"))
    phrases = (_ARTICLES.sub("", part.strip()) for part in _SEPARATOR.split(words))
    return tuple(phrase for phrase in phrases if phrase)
