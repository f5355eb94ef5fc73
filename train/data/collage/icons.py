"""Pictures of the vocabulary's nouns from icon sets, as sprites that can be recoloured.

An icon whose area is mostly of one hue, or mostly grey, can be drawn in any colour: the pixels of
that part keep their brightness relative to its mean, and the other parts keep their colours.
"""

import json
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lgvi_core.errors import LGVIError

from ..drawn.sprites import NOUNS, SIZE, Sprite, sprite
from .vocabulary import vocabulary

PACKED = "icons.npz"
"""File that `pack` writes for a set, with the drawn icons of the vocabulary."""
OWN = "own"
"""The name of the set of our own drawings, `train.data.drawn.sprites`."""
BODY = 0.55  # least share of an icon's area that has one hue, for it to be recoloured
CLEAR = 0.68  # least share of the body for its colour to be the icon's
NEAR = 0.26  # greatest distance, in Lab units of 100, of a clear colour from its word's value
GREY = 0.22  # greatest saturation of grey


@dataclass(frozen=True)
class Icon:
    """A picture of a noun: its sprite in its own colours and, if possible, in any colour."""

    style: str
    name: str
    natural: Sprite
    tinted: Sprite | None
    """None where no part is large enough to be recoloured."""
    colour: str | None
    """The word for its own colour; None where no one word fits."""


@cache
def icons_of(folder: Path, noun: str) -> tuple[Icon, ...]:
    """All pictures of a noun, our own first. Raises LGVIError if an icon set is missing."""
    found = []
    if noun in NOUNS:
        own = sprite(noun)
        found.append(Icon(OWN, noun, own, own, None))
    sets = sorted(p for p in (folder / "icons").glob("*") if _set_file(p) is not None)
    if not sets:
        raise LGVIError(
            f"no icon sets in {folder}: python -m train.data.collage.fetch --output {folder}"
        )
    for path in sets:
        known = _names(path)
        names = [n for n in vocabulary().nouns[noun].icons if n in known]
        found += [_icon(path, name) for name in names]
    return tuple(found)


def draw_icon_set(path: Path) -> dict[str, np.ndarray]:
    """Draw all icons of the vocabulary in a set (its `icons.json`), uint8 RGBA, by name."""
    known = _icon_set(path)
    names = {n for noun in vocabulary().nouns.values() for n in noun.icons if n in known}
    return {n: np.round(255 * _fit(_render(known[n]))).astype(np.uint8) for n in sorted(names)}


def _set_file(folder: Path) -> Path | None:
    """The file that holds the icons of a set, packed or not; None if the folder has none."""
    return next((p for p in (folder / PACKED, folder / "icons.json") if p.is_file()), None)


@cache
def _names(folder: Path) -> frozenset[str]:
    """The names of the icons in a set."""
    file = _set_file(folder)
    assert file is not None
    if file.name == PACKED:
        return frozenset(_packed(file))
    return frozenset(_icon_set(file))


@cache
def _packed(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(zip(arrays["names"].tolist(), arrays["pictures"], strict=True))


def _picture(folder: Path, name: str) -> np.ndarray:
    """An icon that fills a square of SIZE, straight RGBA, float32 in 0 to 1."""
    file = _set_file(folder)
    assert file is not None
    if file.name == PACKED:
        return _packed(file)[name].astype(np.float32) / 255
    return _fit(_render(_icon_set(file)[name]))


@cache
def _icon_set(path: Path) -> dict[str, str]:
    """The SVG text of every icon in a set, by name; aliases included."""
    content = json.loads(path.read_text(encoding="utf-8"))
    width, height = content.get("width", 16), content.get("height", 16)
    texts = {}
    for name, icon in content["icons"].items():
        at = f"{icon.get('left', 0)} {icon.get('top', 0)}"
        size = f"{icon.get('width', width)} {icon.get('height', height)}"
        texts[name] = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{at} {size}" width="{SIZE}" height="{SIZE}">'
            f"{icon['body']}</svg>"
        )
    for name, alias in content.get("aliases", {}).items():
        if alias["parent"] in texts and alias.keys() == {"parent"}:
            texts[name] = texts[alias["parent"]]
    return texts


@cache
def _icon(folder: Path, name: str) -> Icon:
    picture = _picture(folder, name)
    rgb, alpha = picture[..., :3], picture[..., 3]
    natural = Sprite(alpha, np.zeros_like(alpha), rgb)
    weight, share = _body(rgb, alpha)
    if share < BODY:
        return Icon(folder.name, name, natural, None, None)
    value = rgb.max(-1)
    mean = float((value * weight * alpha).sum() / (weight * alpha).sum())
    shade = weight * np.clip(value / max(mean, 0.05), 0, 2.2)
    tinted = Sprite(alpha, shade.astype(np.float32), rgb * (1 - weight)[..., None])
    body = (rgb * (weight * alpha)[..., None]).sum((0, 1)) / (weight * alpha).sum()
    colour = _colour_word(body) if share >= CLEAR else None
    return Icon(folder.name, name, natural, tinted, colour)


def _render(svg: str) -> np.ndarray:
    """Render an SVG as straight RGBA, float32 [h, w, 4] in 0 to 1."""
    try:
        import resvg_py
    except ImportError as error:
        raise LGVIError(
            "icons are drawn by resvg: pip install -r train/requirements.txt"
        ) from error
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"), np.float32) / 255


def _fit(picture: np.ndarray) -> np.ndarray:
    """Crop an RGBA picture to what it shows and centre that in a square of SIZE pixels."""
    rows, columns = np.nonzero(picture[..., 3] > 0.02)
    if not len(rows):
        raise LGVIError("an icon of the vocabulary is empty")
    part = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    solid = np.dstack([part[..., :3] * part[..., 3:], part[..., 3]])
    scale = SIZE / max(part.shape[:2])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    solid = cv2.resize(solid, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((SIZE, SIZE, 4), np.float32)
    top, left = (SIZE - size[1]) // 2, (SIZE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = np.clip(solid, 0, 1)
    alpha = square[..., 3:]
    return np.dstack([np.clip(square[..., :3] / np.maximum(alpha, 1e-3), 0, 1), alpha])


def _body(rgb: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, float]:
    """The weight of every pixel in the icon's main part, in 0 to 1, and that part's share of it."""
    hsv = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2HSV)
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    colourful = alpha * np.clip((saturation - GREY) / 0.1, 0, 1) * np.clip(value / 0.2 - 0.5, 0, 1)
    histogram, _ = np.histogram(hue, 36, (0, 360), weights=colourful)
    smooth = histogram + np.roll(histogram, 1) + np.roll(histogram, -1)
    main = 10 * int(smooth.argmax()) + 5
    distance = np.abs((hue - main + 180) % 360 - 180)
    by_hue = np.clip((38 - distance) / 12, 0, 1) * np.clip((saturation - GREY) / 0.1, 0, 1)
    area = float(alpha.sum())
    share = float((by_hue * alpha).sum()) / area
    by_grey = np.clip((GREY - saturation) / 0.06, 0, 1)
    grey_share = float((by_grey * alpha).sum()) / area
    return (by_hue, share) if share >= grey_share else (by_grey, grey_share)


def _colour_word(rgb: np.ndarray) -> str | None:
    """The colour word for a colour, or None where the nearest is not near."""
    words = vocabulary().colours
    values = np.array([rgb, *(c.rgb for c in words.values())], np.float32)[None]
    lab = cv2.cvtColor(values, cv2.COLOR_RGB2LAB)[0] / 100
    distances = np.linalg.norm((lab[1:] - lab[0]) * [0.6, 1, 1], axis=1)
    nearest = int(distances.argmin())
    return list(words)[nearest] if distances[nearest] < NEAR else None
