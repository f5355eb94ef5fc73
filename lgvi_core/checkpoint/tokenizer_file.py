"""Check of a foreign tokenizer's files, before the tokenizers library reads them.

That library trusts its files: a regular expression may take for ever, a list of replacements may
grow a word to any length, and hundreds of thousands of added tokens take minutes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .files import read_json
from .regex import regex_problem

CONFIG_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
OTHER_FILES = ("tokenizer_file", "vocab_file", "merges_file")
"""Keys by which a configuration could name another file, past this check."""
MAX_BYTES = 64 * 1024 * 1024
MAX_ADDED_TOKENS = 10_000
MAX_TOKEN_LENGTH = 1024
"""Most characters of a token, or of what replaces a piece of text."""
MAX_GROWTH = 64
"""Factor by which all replacements together may lengthen a text."""


def check_tokenizer_files(folder: Path) -> None:
    """Raise CheckpointError that names the file where a tokenizer could hang or fill the memory."""
    for name in CONFIG_FILES:
        path = folder / name
        if path.exists():
            _check_count(path, read_json(path))
    # A configuration may name one such as tokenizer.4.0.json for a version of transformers.
    for path in sorted(folder.glob("tokenizer*.json")):
        if path.name not in CONFIG_FILES:
            _check_tokenizer(path, read_json(path, MAX_BYTES))


def _check_count(path: Path, values: Any) -> None:
    """Check the number of added tokens, which each file lists under another name."""
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    if named := [key for key in OTHER_FILES if values.get(key) is not None]:
        raise CheckpointError(f"{path}: names another file ({', '.join(named)}), which is refused")
    lists = [values, *values.values()]
    most = max(len(part) for part in lists if isinstance(part, list | dict))
    if most > MAX_ADDED_TOKENS:
        raise CheckpointError(
            f"{path}: adds {most} tokens, at most {MAX_ADDED_TOKENS} are read: this is not the "
            "tokenizer of a LLaVA"
        )


def _check_tokenizer(path: Path, values: Any) -> None:
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    _check_count(path, {"added_tokens": values.get("added_tokens")})
    if any(len(word) > MAX_TOKEN_LENGTH for word in _words(values.get("model"))):
        raise CheckpointError(f"{path}: has a token of more than {MAX_TOKEN_LENGTH} characters")
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        growth = 1.0
        for step in _steps(values.get(part)):
            pattern = step.get("pattern")
            regex = pattern.get("Regex") if isinstance(pattern, dict) else None
            if isinstance(regex, str) and (problem := regex_problem(regex)):
                raise CheckpointError(
                    f"{path}: the regular expression {regex[:100]!r} in its {part} is refused, "
                    f"because matching it might never end ({problem})"
                )
            growth *= _growth(step)
        if growth > MAX_GROWTH:
            raise CheckpointError(
                f"{path}: its {part} lengthens text up to {growth:g} times, at most {MAX_GROWTH} "
                "is read"
            )


def _words(model: Any) -> Iterator[str]:
    """Yield the tokens of a vocabulary: a table, or a list of pairs of token and score."""
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    for entry in vocabulary or () if isinstance(vocabulary, list | dict) else ():
        word = entry[0] if isinstance(entry, list) and entry else entry
        if isinstance(word, str):
            yield word


def _steps(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all JSON objects in `value`, at any depth: the steps of a sequence among them."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _growth(step: dict[str, Any]) -> float:
    """Return the factor by which a step may lengthen a text."""
    if step.get("type") == "ByteLevel":
        return 2
    content, pattern = step.get("content"), step.get("pattern")
    if not isinstance(content, str) or not isinstance(pattern, dict):
        return 1
    plain = pattern.get("String")
    if isinstance(plain, str) and plain:
        return max(1, len(content) / len(plain))
    return len(content) + 1
