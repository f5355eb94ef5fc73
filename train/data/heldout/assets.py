"""The material of the held-out scenes: nouns and colours, icons, photographs, footage, words."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict
from typing_extensions import Self

from lgvi_core.errors import LGVIError

from ..pictures import list_pictures, read_rgb
from .shapes import Colour

NOUNS_FILE = Path(__file__).parent / "nouns.yaml"
ICONS, PHOTOGRAPHS, WORDS = "icons", "photographs", "nouns.txt"
COLOURS: dict[str, Colour] = {
    "red": (212, 36, 42),
    "orange": (245, 136, 22),
    "yellow": (248, 214, 44),
    "green": (38, 152, 70),
    "blue": (42, 92, 214),
    "purple": (132, 58, 176),
    "white": (244, 244, 241),
    "black": (34, 34, 39),
}
"""The eight colours, RGB of 0 to 255."""
HUE_WIDTH = 28  # degrees around a picture's main hue that are dyed with it
GREY_COLOURS = ("white", "black")


class Noun(BaseModel):
    """A noun of nouns.yaml, which describes the keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dyed: tuple[str, ...]
    as_is: dict[str, str | None]
    synonyms: tuple[str, ...] = ()
    plural: str | None = None


def read_nouns(path: Path = NOUNS_FILE) -> dict[str, Noun]:
    """All nouns of a file, by name; pydantic's ValidationError names what is wrong in it."""
    table = yaml.safe_load(path.read_text(encoding="utf-8"))["nouns"]
    return {noun: Noun.model_validate(entry) for noun, entry in table.items()}


def first_nouns(path: Path = NOUNS_FILE) -> tuple[str, ...]:
    """The nouns of the first lgvi-mini, which have drawings of our own."""
    return tuple(yaml.safe_load(path.read_text(encoding="utf-8"))["known"])


def nouns_in_footage(path: Path = NOUNS_FILE) -> tuple[str, ...]:
    """The nouns of what the real footage and the photographs show anyway."""
    return tuple(yaml.safe_load(path.read_text(encoding="utf-8"))["in_footage"])


def plural(noun: str, nouns: dict[str, Noun]) -> str:
    """The plural of a noun: star, stars; box, boxes."""
    if noun in nouns and (given := nouns[noun].plural):
        return given
    return noun + ("es" if noun.endswith(("x", "s", "sh", "ch")) else "s")


@dataclass(frozen=True)
class Assets:
    """A folder that `train.data.heldout.fetch` filled; or None, where scenes are all drawn."""

    folder: Path | None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Check that a folder holds everything. Raises LGVIError where something is missing."""
        wanted = (ICONS, PHOTOGRAPHS, "footage", WORDS)
        if missing := [name for name in wanted if not (folder / name).exists()]:
            raise LGVIError(
                f"{folder} lacks {', '.join(missing)}; run "
                f"`python -m train.data.heldout.fetch --folder {folder}`"
            )
        return cls(folder)

    def icon(self, name: str) -> np.ndarray:
        """An icon, float32 [h, w, 4] in 0 to 1 with colours multiplied by alpha, cut to content."""
        return _read_icon(self._file(ICONS) / f"{name}.png")

    def photographs(self) -> list[Path]:
        """The files of all photographs, sorted by name."""
        return list_pictures(self._file(PHOTOGRAPHS))

    def footage(self, name: str) -> list[Path]:
        """The files of a clip's frames, in order."""
        return list_pictures(self._file("footage") / name)

    def words(self) -> list[str]:
        """WordNet's nouns that name nothing that scenes show."""
        return self._file(WORDS).read_text(encoding="utf-8").split()

    def _file(self, name: str) -> Path:
        if self.folder is None:
            raise LGVIError(f"{name} are asked for, but no folder of assets is given")
        return self.folder / name


@lru_cache(maxsize=64)
def photograph(path: Path) -> np.ndarray:
    """Read a picture as uint8 RGB [h, w, 3]; kept for the next scene."""
    return read_rgb(path)


@lru_cache(maxsize=256)
def _read_icon(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise LGVIError(f"{path} is no picture with transparency; fetch the assets again")
    rgba = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return trim(rgba)


def trim(rgba: np.ndarray) -> np.ndarray:
    """Cut a picture [h, w, 4] to the square around what is not transparent."""
    rows, columns = np.nonzero(rgba[..., 3] > 0.02)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    cut = rgba[top:bottom, left:right]
    side = max(cut.shape[:2])
    rest = side - cut.shape[0], side - cut.shape[1]
    pads = [(r // 2, r - r // 2) for r in rest]
    return np.pad(cut, [*pads, (0, 0)])


def dye(rgba: np.ndarray, colour: Colour) -> np.ndarray:
    """Change a picture's main colour, RGB of 0 to 255; its shades and other colours stay.

    `rgba` is float32 [h, w, 4] in 0 to 1 with colours multiplied by alpha.
    """
    alpha = rgba[..., 3:]
    rgb = np.where(alpha > 0, rgba[..., :3] / np.maximum(alpha, 1e-3), 0).clip(0, 1)
    hue, saturation, value = cv2.split(cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2HSV))
    weights = saturation * alpha[..., 0] * (value > 0.25)
    counts, edges = np.histogram(hue, bins=36, range=(0, 360), weights=weights)
    main = float(edges[int(counts.argmax())]) + 5
    away = np.abs((hue - main + 180) % 360 - 180)
    body = (away < HUE_WIDTH) & (saturation > 0.25)
    wanted = np.asarray(colour, np.float32) / 255
    middle = max(0.2, float(np.median(value[body & (alpha[..., 0] > 0.9)])))
    shade = (value / middle)[..., None] * wanted
    shade = np.where(shade > 1, 1, shade)
    pale = np.clip(1 - saturation / max(0.2, float(np.median(saturation[body]))), 0, 1)[..., None]
    shade = shade + (1 - shade) * pale * 0.7
    return np.concatenate([np.where(body[..., None], shade, rgb) * alpha, alpha], -1).astype(
        np.float32
    )
