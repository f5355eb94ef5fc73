"""Judgement of regular expressions in foreign tokenizers: may matching take too long?

The tokenizers library matches by backtracking, where a repeated group of repeats takes a time that
doubles with every character. What real tokenizers contain is far simpler, so that anything which
cannot be judged is refused as well.
"""

import re

MAX_LENGTH = 4096
MOST_REPEATS = 2
"""Open repeats in one alternative: real tokenizers have up to two, and each makes it slower."""
SMALL_REPEAT = 16
"""Greatest bound of a repeat such as {1,3} that does not count as an open one."""

_GROUP = re.compile(r"\((?:\?(?:[:=!>]|<[=!]|[ims-]+:))?(?!\?)")
_FLAGS = re.compile(r"\(\?[ims-]+\)")
_PROPERTY = re.compile(r"\\[pP]\{\^?\w+\}|\\x\{[0-9A-Fa-f]+\}")
_BOUNDS = re.compile(r"\{(\d*)(,?)(\d*)\}")
_PLAIN_ESCAPES = "sSdDwWrntfvxuhHbBAzZ"


class _Doubtful(Exception):
    """An expression that is refused; the text says why."""


def regex_problem(pattern: str) -> str:
    """Return why an expression is refused, for a message; empty where matching it is quick."""
    if len(pattern) > MAX_LENGTH:
        return f"it has {len(pattern)} characters"
    try:
        end = _alternatives(pattern, 0)[0]
    except _Doubtful as doubt:
        return str(doubt)
    except RecursionError:
        return "its groups are nested too deep"
    return "" if end == len(pattern) else "a bracket closes that was not opened"


def _alternatives(pattern: str, at: int) -> tuple[int, int, bool]:
    """Judge alternatives from `at` to a closing bracket or the end.

    Returns where they end, the most open repeats in one of them, and whether they are plain: a
    single alternative of atoms without repeats.
    """
    most = repeats = 0
    is_plain = True
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            at, repeats, is_plain = at + 1, 0, False
            continue
        at, inside, atom_is_plain = _atom(pattern, at)
        at, more_times, open_ended = _quantifier(pattern, at)
        if more_times > 1 and not atom_is_plain:
            raise _Doubtful("it repeats a group that holds repeats or alternatives")
        repeats += inside + open_ended
        if repeats > MOST_REPEATS:
            raise _Doubtful(f"one alternative has more than {MOST_REPEATS} open repeats")
        most = max(most, repeats)
        is_plain = is_plain and atom_is_plain and more_times == 0
    return at, most, is_plain


def _atom(pattern: str, at: int) -> tuple[int, int, bool]:
    """Return where the atom at `at` ends, the open repeats inside it, and whether it is plain."""
    letter = pattern[at]
    if letter == "\\":
        return _escape(pattern, at), 0, True
    if letter == "[":
        return _character_class(pattern, at), 0, True
    if flags := _FLAGS.match(pattern, at):
        return flags.end(), 0, True
    if letter != "(":
        if letter in "*+?":
            raise _Doubtful("a repeat follows another one")
        return at + 1, 0, True
    group = _GROUP.match(pattern, at)
    if group is None:
        raise _Doubtful("it holds a group of an unknown kind")
    end, repeats, is_plain = _alternatives(pattern, group.end())
    if end >= len(pattern):
        raise _Doubtful("a bracket is not closed")
    return end + 1, repeats, is_plain


def _escape(pattern: str, at: int) -> int:
    if found := _PROPERTY.match(pattern, at):
        return found.end()
    letter = pattern[at + 1 : at + 2]
    if not letter or (letter.isalnum() and letter not in _PLAIN_ESCAPES):
        raise _Doubtful(f"it holds \\{letter}, which looks back or loops")
    return at + 2


def _character_class(pattern: str, at: int) -> int:
    """Return where the class that begins at `at` ends; classes may lie in it."""
    depth = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "[":
            if pattern[at + 1 : at + 3].lstrip("^").startswith("]"):
                raise _Doubtful("it holds an empty class")
            depth += 1
        elif pattern[at] == "]":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    raise _Doubtful("a class is not closed")


def _quantifier(pattern: str, at: int) -> tuple[int, int, bool]:
    """Read a quantifier at `at`.

    Returns where it ends, 0 without a quantifier, 1 for an optional atom and 2 for a repeated one,
    and whether the repeat is an open one.
    """
    letter = pattern[at : at + 1]
    if letter and letter in "*+?":
        at += 1
        if pattern[at : at + 1] in ("?", "+"):  # lazy, possessive
            at += 1
        return at, 1 if letter == "?" else 2, letter != "?"
    bounds = _BOUNDS.match(pattern, at)
    if bounds is None or not (bounds[1] or bounds[3]):
        return at, 0, False
    most = int(bounds[3] or 10**9) if bounds[2] else int(bounds[1])
    at = bounds.end()
    if pattern[at : at + 1] == "?":
        at += 1
    return at, 2, most > SMALL_REPEAT
