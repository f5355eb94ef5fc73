"""Search for the prompt between its marks, as text and as token positions (paper Sec. 4.2)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARK = re.compile(r"\{\{\s*(/?)\s*prompt\s*\}\}|<\s*(/?)\s*PROMPT\s*>", re.IGNORECASE)
"""Pattern of a prompt mark, with stray spaces; one of its two groups is "/" in a closing mark."""

Decode = Callable[[Sequence[int]], str]
"""Function that turns token ids into text and leaves special tokens out."""


@dataclass(frozen=True)
class Prompt:
    """A removal prompt in a reply, and the positions of its tokens.

    `text` stands between the marks, and the reply's tokens `start` to `stop` (exclusive) hold it.
    `opening` is the first token of the opening mark: the released code uses the tokens from there
    to the end of the reply, the paper those from `start` to `stop`. `closed` says whether a
    closing mark follows.
    """

    text: str
    opening: int
    start: int
    stop: int
    closed: bool


def find_prompts(tokens: Sequence[int], decode: Decode) -> list[Prompt]:
    """Return all prompts of a reply, in order; an empty list where it has none.

    Marks are `{{prompt}}` or `<PROMPT>`; stray spaces in them are allowed. A prompt without a
    closing mark ends before the next opening mark, or with the reply. Positions come from the text
    that the first 1, 2, ... tokens decode to, so no text is tokenised again. A token that holds
    both a mark and words of the prompt belongs to the prompt.
    """
    ends = [len(decode(tokens[: i + 1])) for i in range(len(tokens))]
    # The first bytes of a character may decode to more characters than all of its bytes.
    for i in reversed(range(len(ends) - 1)):
        ends[i] = min(ends[i], ends[i + 1])
    whole = decode(tokens)
    marks = [(m.start(), m.end(), bool(m[1] or m[2])) for m in MARK.finditer(whole)]
    prompts = []
    for number, (mark, begin, closes) in enumerate(marks):
        if closes:
            continue
        following = marks[number + 1] if number + 1 < len(marks) else None
        end = len(whole) if following is None else following[0]
        text = whole[begin:end]
        if not text.strip():
            continue
        first = begin + len(text) - len(text.lstrip())
        last = begin + len(text.rstrip())
        opening = sum(e <= mark for e in ends)
        start = sum(e <= first for e in ends)
        stop = sum(e < last for e in ends) + 1
        closed = following is not None and following[2]
        words = " ".join(text.split())
        prompts.append(Prompt(words, opening, start, min(stop, len(tokens)), closed))
    return prompts


def find_prompt(tokens: Sequence[int], decode: Decode) -> Prompt | None:
    """Return the last prompt of a reply, which the model settled on; None where there is none."""
    prompts = find_prompts(tokens, decode)
    return prompts[-1] if prompts else None
