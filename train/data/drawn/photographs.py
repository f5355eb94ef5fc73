"""Photographs as backgrounds, from the scikit-image package.

Nothing is downloaded. Training and held-out clips have different photographs. Photographs of things
that a sentence may name (such as a cup) are left out, since they would make it ambiguous.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lgvi_core.errors import LGVIError

from ..pictures import read_rgb

PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "train": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
    ),
    "held-out": ("chelsea.png", "grass.png", "moon.png", "rocket.jpg"),
}


def check_photographs() -> None:
    """Raise LGVIError if scikit-image or one of its photographs is missing."""
    folder = _folder()
    missing = [n for names in PHOTOGRAPHS.values() for n in names if not (folder / n).is_file()]
    if missing:
        raise LGVIError(
            f"this scikit-image lacks {', '.join(missing)} in {folder}: "
            "pip install -r train/requirements-optional.txt"
        )


@cache
def photograph(name: str) -> np.ndarray:
    """Read one of `PHOTOGRAPHS` as uint8 RGB [h, w, 3].

    Raises LGVIError without scikit-image, and BrokenSample if the file is missing.
    """
    return read_rgb(_folder() / name)


def _folder() -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise LGVIError(
            "photographs as backgrounds come with scikit-image: "
            "pip install -r train/requirements-optional.txt"
        )
    return Path(spec.origin).parent / "data"
