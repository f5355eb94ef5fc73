"""Errors that the person using the pack can cause and correct."""


class LGVIError(ValueError):
    """Invalid input or settings; the message says what is wrong, which value, and what to do."""


class CheckpointError(LGVIError):
    """Weights or a configuration that cannot be used; the message names the file."""
