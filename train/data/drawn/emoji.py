"""Emoji as objects: the colour bitmaps of the font Noto Color Emoji.

On Debian and Ubuntu, `apt install fonts-noto-color-emoji` installs it. The file may be anywhere.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lgvi_core.errors import LGVIError

from .sprites import SIZE, Sprite

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
_PIXELS = 109  # the only size of the font's bitmaps
_CANVAS = (160, 160)

# (character, colour) by noun. Each emoji is mainly of one colour that sentences name, and no
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
    """Raise LGVIError if the font cannot be read or has no colour emoji."""
    emoji_sprite(next(iter(EMOJI)), font)


@cache
def emoji_sprite(noun: str, font: Path) -> Sprite:
    """Draw a noun of `EMOJI` as a sprite that keeps its own colours, whatever colour it is given.

    Raises LGVIError if the font cannot be read or lacks the emoji.
    """
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
    """Scale an image, RGBA [h, w, 4] in 0 to 1, to fit a square of SIZE, and centre it there."""
    height, width = picture.shape[:2]
    scale = SIZE / max(height, width)
    size = (min(SIZE, round(width * scale)), min(SIZE, round(height * scale)))
    solid = picture[..., :3] * picture[..., 3:]  # so that transparent pixels blend no colour in
    grown = cv2.resize(np.dstack([solid, picture[..., 3]]), size, interpolation=cv2.INTER_LINEAR)
    square = np.zeros((SIZE, SIZE, 4), np.float32)
    top, left = (SIZE - size[1]) // 2, (SIZE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = grown
    alpha = square[..., 3]
    colour = square[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    return Sprite(alpha, np.zeros((SIZE, SIZE), np.float32), np.clip(colour, 0, 1))
