"""Photographs and footage behind collages, as `fetch` brings them."""

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import yaml

from lgvi_core.errors import LGVIError

from ..pictures import read_rgb

FILE = Path(__file__).with_name("backgrounds.yaml")
SKIMAGE = "scikit-image"
LONGEST = 1024
"""Side to which photographs are reduced when they are read, in pixels."""


@dataclass(frozen=True)
class Picture:
    """A photograph or a clip, where it lies, and which nouns it shows."""

    path: Path
    shows: tuple[str, ...]
    is_clip: bool


@cache
def background_sources() -> dict[str, dict[str, dict[str, dict[str, list[str]]]]]:
    """The packages of `backgrounds.yaml`, each with its licence, pictures and clips."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))["sources"]


@cache
def list_backgrounds(folder: Path) -> tuple[Picture, ...]:
    """List the photographs and clips of training. Raises LGVIError if one is missing."""
    found = []
    for package, source in background_sources().items():
        root = background_root(folder, package)
        for kind in ("pictures", "clips"):
            for name, facts in source.get(kind, {}).items():
                path = root / name
                if not path.is_file():
                    raise LGVIError(
                        f"{path} is missing: python -m train.data.collage.fetch --output {folder}"
                    )
                found.append(Picture(path, tuple(facts.get("shows", ())), kind == "clips"))
    return tuple(found)


def background_root(folder: Path, package: str) -> Path:
    """The folder below which a package's pictures lie.

    Raises LGVIError if scikit-image is not installed, and `folder` is not packed.
    """
    packed = folder / "files" / SKIMAGE
    if package != SKIMAGE:
        return folder / "files"
    return packed if packed.is_dir() else _skimage()


@lru_cache(maxsize=64)
def photograph(path: Path) -> np.ndarray:
    """Read a photograph, uint8 RGB [h, w, 3], its longer side at most LONGEST pixels."""
    picture = read_rgb(path)
    scale = LONGEST / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=4)
def footage(path: Path) -> np.ndarray:
    """Read all frames of a clip, uint8 RGB [f, h, w, 3]. Raises LGVIError if it has none."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame[..., ::-1])
    capture.release()
    if not frames:
        raise LGVIError(f"{path} cannot be read as a video: fetch it again")
    return np.stack(frames)


def _skimage() -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise LGVIError("photographs come with scikit-image: pip install -r train/requirements.txt")
    return Path(spec.origin).parent / "data"
