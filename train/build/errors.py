"""Why a clip is left out."""


class BrokenClip(Exception):
    """Raised for a clip that cannot be used; the message says what is wrong with it."""
