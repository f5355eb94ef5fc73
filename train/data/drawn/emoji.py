"""Emoji pictures as objects: the colour bitmaps of the Noto Color Emoji font.

Debian and Ubuntu: apt install fonts-noto-color-emoji. The font may also lie anywhere else.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lgvi_core.errors import LGVIError

from .sprites import SIZE, Sprite

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
_PIXELS = 109  # the only size that the font's bitmaps have
_CANVAS = (160, 160)

# Noun to character and colour. Each is plainly of one of the colours that sentences name, and no
# drawing, photograph or other emoji shows the same thing.
EMOJI: dict[str, tuple[str, str]] = {
    "apple": ("🍎", "red"),
    "banana": ("🍌", "yellow"),
    "carrot": ("🥕", "orange"),
    "eggplant": ("🍆", "purple"),
    "drop": ("💧", "blue"),
    "frog": ("🐸", "green"),
    "guitar": ("🎸", "red"),
    "hat": ("🎩", "black"),
    "key": ("🔑", "yellow"),
    "lemon": ("🍋", "yellow"),
    "mushroom": ("🍄", "red"),
    "penguin": ("🐧", "black"),
    "pumpkin": ("🎃", "orange"),
    "snowman": ("⛄", "white"),
    "tree": ("🌲", "green"),
    "turtle": ("🐢", "green"),
}


def check_font(font: Path) -> None:
    """Raises LGVIError where the font cannot draw the emoji."""
    emoji_sprite(next(iter(EMOJI)), font)


@cache
def emoji_sprite(noun: str, font: Path) -> Sprite:
    """The picture of a noun of `EMOJI`; its colours are its own, whatever colour is asked for."""
    try:
        face = ImageFont.truetype(str(font), _PIXELS)
    except OSError as error:
        raise LGVIError(
            f"emoji pictures need the font Noto Color Emoji, and {font} cannot be read ({error}): "
            "apt install fonts-noto-color-emoji, or set emoji_font to where it is"
        ) from error
    canvas = Image.new("RGBA", _CANVAS)
    ImageDraw.Draw(canvas).text((4, 4), EMOJI[noun][0], font=face, embedded_color=True)
    box = canvas.getbbox()
    picture = np.asarray(canvas.crop(box), np.float32) / 255
    if box is None or np.ptp(picture[..., :3]) == 0:
        raise LGVIError(f"{font} has no colour picture of {noun!r}: use Noto Color Emoji")
    return _fit(picture)


def _fit(picture: np.ndarray) -> Sprite:
    """RGBA [h, w, 4] centred in a square of SIZE, its longer side filling it."""
    height, width = picture.shape[:2]
    scale = SIZE / max(height, width)
    size = (min(SIZE, round(width * scale)), min(SIZE, round(height * scale)))
    solid = picture[..., :3] * picture[..., 3:]  # clear pixels have no colour to blend in
    grown = cv2.resize(np.dstack([solid, picture[..., 3]]), size, interpolation=cv2.INTER_LINEAR)
    square = np.zeros((SIZE, SIZE, 4), np.float32)
    top, left = (SIZE - size[1]) // 2, (SIZE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = grown
    alpha = square[..., 3]
    colour = square[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    return Sprite(alpha, np.zeros((SIZE, SIZE), np.float32), np.clip(colour, 0, 1))
