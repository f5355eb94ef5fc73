"""The errors that a person using the pack can cause and mend."""


class LGVIError(ValueError):
    """Wrong input: the message says what was wrong, the value, and what to do."""


class CheckpointError(LGVIError):
    """A weights or configuration file that cannot be used; the message names the file."""
