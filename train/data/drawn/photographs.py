"""Photographs as backgrounds: those that scikit-image carries in its package.

Nothing is downloaded. Training and held-out clips have different photographs; pictures of what a
sentence may name (a cup, a clock) are left out, since they would make the sentence ambiguous.
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
    """Raises LGVIError where scikit-image or one of its pictures is not there."""
    folder = _folder()
    missing = [n for names in PHOTOGRAPHS.values() for n in names if not (folder / n).is_file()]
    if missing:
        raise LGVIError(
            f"this scikit-image lacks {', '.join(missing)} in {folder}: "
            "pip install -r train/requirements-optional.txt"
        )


@cache
def photograph(name: str) -> np.ndarray:
    """One of `PHOTOGRAPHS`: uint8 RGB [h, w, 3]. Raises LGVIError without scikit-image."""
    return read_rgb(_folder() / name)


def _folder() -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise LGVIError(
            "photographs as backgrounds come with scikit-image: "
            "pip install -r train/requirements-optional.txt"
        )
    return Path(spec.origin).parent / "data"
