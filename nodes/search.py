"""Other words by which people look for a node."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.v0_0_2 import io

_KNOWN = any(field.name == "search_aliases" for field in fields(io.Schema))


def search_aliases(*words: str) -> dict[str, Any]:
    """Return the part of a node's schema that lets the page find it by these words.

    Empty where this ComfyUI knows no such words: 0.3.75 finds nodes by their names alone.
    """
    return {"search_aliases": list(words)} if _KNOWN else {}
