"""Requests made of sentences that only name an object, as referring expressions do."""

import re

_DETERMINED = (
    r"(the|a|an|this|that|these|those|my|your|his|her|its|our|their|all|both|every|any|only|just"
    r"|everything|it|them|him|away|out|off|up)"
)
_VERB = re.compile(
    r"(please )?("
    r"(remove|delete|erase|eliminate|inpaint|get rid|keep(?! out))\b"
    # These also begin the name of a thing: "clear glass bottle", "take-out box", "paint bucket".
    rf"|(take|clear|cut|crop|edit|paint|wipe|leave) {_DETERMINED}\b)",
    re.I,
)
_SPEAKS = re.compile(
    r"^(i|we|you|please|let|make|how|what|why)\b"
    r"|^(there|it|they|he|she)('s|'d| is| are| was| were| would| should| looks?| needs?)\b"
    r"|^(can|could|would|will|should|may|is|are|do|does) (i|we|you|the|it|this|that|there)\b"
    r"|^(hi|hello|hey),"
    r"|\b(i|we|please|could you|can you|would you|help me|help us)\b"
    r"|[?!]\s*$",
    re.I,
)


def as_request(sentence: str) -> str:
    """The sentence with "remove" in front if it only names what is to go.

    It stays as it is if it begins with a verb of removal or keeping, or if somebody speaks in it:
    "I only want to keep the dog." A word that is a verb and something else ("clear glass bottle")
    counts as a verb only if an article or alike follows it.
    """
    sentence = sentence.strip()
    if _VERB.match(sentence) or _SPEAKS.search(sentence):
        return sentence
    first, *rest = sentence.split(" ", 1)
    return " ".join(["remove", first.lower() if first in ("The", "A", "An") else first, *rest])
