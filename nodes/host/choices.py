"""Choices of a menu: ComfyUI 0.3.75 does not check those that a program sends."""

from collections.abc import Collection

from ...lgvi_core.errors import LGVIError


def check_choice(name: str, value: str, known: Collection[str]) -> None:
    """Raise LGVIError where `value` is not one of the choices of the input `name`."""
    if value not in known:
        raise LGVIError(f"{name} {value!r} is not one of {', '.join(known)}")
