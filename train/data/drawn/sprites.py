"""Sprites: small drawings of named objects that can be drawn in any colour.

A drawing is kept as three layers, so that one cached drawing serves every colour:

    rgb = base_colour * shade + extra        (then multiplied by alpha)

`shade` is the brightness of parts in the object's colour, `extra` the colour of parts that have
their own (a window, an eye, a glossy highlight).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

SIZE = 160  # side of a cached drawing in pixels
_SUBPIXEL_BITS = 4

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.88, 0.12, 0.12),
    "orange": (0.98, 0.52, 0.06),
    "yellow": (0.97, 0.88, 0.12),
    "green": (0.10, 0.66, 0.20),
    "blue": (0.12, 0.30, 0.92),
    "purple": (0.56, 0.16, 0.76),
    "white": (0.97, 0.97, 0.97),
    "black": (0.13, 0.13, 0.15),
}


@dataclass(frozen=True)
class Sprite:
    """The layers of one drawing, float32: `alpha` and `extra` in 0 to 1, `shade` may exceed 1."""

    alpha: np.ndarray
    """Coverage [SIZE, SIZE]."""
    shade: np.ndarray
    """Factor on the object's colour [SIZE, SIZE]."""
    extra: np.ndarray
    """Colour of its own, added to the object's, [SIZE, SIZE, 3]."""

    def coloured(self, rgb: tuple[float, float, float], size: int) -> np.ndarray:
        """Render in the colour `rgb`: premultiplied RGBA, float32 [size, size, 4] in 0 to 1."""
        colour = self.shade[..., None] * np.asarray(rgb, np.float32) + self.extra
        alpha = self.alpha[..., None]
        picture = np.concatenate([np.clip(colour, 0, 1) * alpha, alpha], axis=-1)
        return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def _polygon(points: np.ndarray | list[tuple[float, float]]) -> np.ndarray:
    """Antialiased polygon, float32 [SIZE, SIZE] in 0 to 1; points are in -1 to 1, y downwards."""
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    pixels = (np.asarray(points, np.float64) + 1) / 2 * SIZE * 2**_SUBPIXEL_BITS
    cv2.fillPoly(canvas, [pixels.round().astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255


def _ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return _polygon(np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1))


class _Painter:
    def __init__(self) -> None:
        self.alpha = np.zeros((SIZE, SIZE), np.float32)
        self.shade = np.ones((SIZE, SIZE), np.float32)
        self.extra = np.zeros((SIZE, SIZE, 3), np.float32)

    def body(self, mask: np.ndarray, shade: float = 1.0) -> None:
        """Paint a part in the object's colour times `shade`."""
        self.alpha = np.maximum(self.alpha, mask)
        self.shade += mask * (shade - self.shade)
        self.extra *= 1 - mask[..., None]

    def fixed(self, mask: np.ndarray, rgb: tuple[float, float, float]) -> None:
        """Paint a part with the colour `rgb`, whatever the object's colour is."""
        self.alpha = np.maximum(self.alpha, mask)
        self.shade *= 1 - mask
        self.extra += mask[..., None] * (np.asarray(rgb, np.float32) - self.extra)

    def gloss(self, mask: np.ndarray, strength: float) -> None:
        """Paint a soft white highlight."""
        soft = cv2.GaussianBlur(mask, (0, 0), SIZE / 40) * strength
        self.shade *= 1 - soft
        self.extra += soft[..., None] * (1 - self.extra)

    def finish(self, outline: float = 0.09) -> Sprite:
        """Add light from the upper left and a dark outline, `outline` half-sides of SIZE wide."""
        axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
        light = 1.06 - 0.2 * (0.5 * axis[None, :] + axis[:, None])
        inside = cv2.distanceTransform((self.alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        rim = np.clip(inside / (outline * SIZE / 2), 0, 1)
        factor = light * (0.38 + 0.62 * rim)
        return Sprite(self.alpha, self.shade * factor, self.extra * (0.38 + 0.62 * rim)[..., None])


def _ball(p: _Painter) -> None:
    p.body(_ellipse(0, 0, 0.92, 0.92), 0.84)
    p.body(_ellipse(-0.1, -0.12, 0.72, 0.72), 1.0)
    p.gloss(_ellipse(-0.32, -0.36, 0.26, 0.2), 0.85)


def _box(p: _Painter) -> None:
    p.body(_polygon([(-0.9, -0.5), (0.5, -0.5), (0.5, 0.92), (-0.9, 0.92)]))
    p.body(_polygon([(-0.9, -0.5), (-0.5, -0.92), (0.92, -0.92), (0.5, -0.5)]), 1.25)
    p.body(_polygon([(0.5, -0.5), (0.92, -0.92), (0.92, 0.52), (0.5, 0.92)]), 0.6)
    p.body(_polygon([(-0.9, 0.12), (0.5, 0.12), (0.5, 0.26), (-0.9, 0.26)]), 0.7)


def _star(p: _Painter) -> None:
    angle = -np.pi / 2 + np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 0.98, 0.44)
    points = np.stack([radius * np.cos(angle), 0.04 + radius * np.sin(angle)], axis=1)
    p.body(_polygon(points))
    for tip in range(0, 10, 2):  # each arm has a darker facet
        p.body(_polygon([(0, 0.04), tuple(points[tip]), tuple(points[(tip + 1) % 10])]), 0.8)


def _triangle(p: _Painter) -> None:
    p.body(_polygon([(0, -0.92), (0.96, 0.8), (-0.96, 0.8)]))
    p.body(_polygon([(0, -0.92), (0.96, 0.8), (0.2, 0.8)]), 0.68)


def _heart(p: _Painter) -> None:
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    p.body(_polygon(np.stack([x / 17, y / 17 - 0.08], axis=1)))
    p.gloss(_ellipse(-0.46, -0.42, 0.2, 0.16), 0.8)


def _balloon(p: _Painter) -> None:
    p.fixed(_polygon([(-0.03, 0.5), (0.04, 0.5), (0.09, 0.98), (0.01, 0.98)]), (0.35, 0.33, 0.3))
    p.body(_polygon([(0, 0.3), (0.16, 0.58), (-0.16, 0.58)]), 0.8)
    p.body(_ellipse(0, -0.26, 0.6, 0.7))
    p.gloss(_ellipse(-0.22, -0.52, 0.15, 0.22), 0.8)


def _fish(p: _Painter) -> None:
    p.body(_polygon([(-0.3, 0), (-0.96, -0.55), (-0.78, 0), (-0.96, 0.55)]), 0.75)
    p.body(_polygon([(-0.2, -0.3), (0.15, -0.75), (0.4, -0.3)]), 0.75)
    p.body(_ellipse(0.22, 0, 0.72, 0.46))
    p.body(_polygon([(0.1, 0.05), (-0.22, 0.3), (0.14, 0.28)]), 0.7)
    p.fixed(_ellipse(0.6, -0.12, 0.14, 0.14), (1, 1, 1))
    p.fixed(_ellipse(0.64, -0.12, 0.07, 0.07), (0.05, 0.05, 0.05))


def _car(p: _Painter) -> None:
    p.body(_polygon([(-0.5, 0), (-0.3, -0.55), (0.3, -0.55), (0.6, 0)]))
    p.body(_polygon([(-0.96, 0), (0.85, -0.02), (0.97, 0.2), (0.97, 0.46), (-0.96, 0.46)]), 0.95)
    p.fixed(_polygon([(-0.34, -0.06), (-0.2, -0.42), (0, -0.42), (0, -0.06)]), (0.72, 0.88, 0.95))
    p.fixed(
        _polygon([(0.1, -0.06), (0.1, -0.42), (0.24, -0.42), (0.44, -0.06)]), (0.72, 0.88, 0.95)
    )
    for x in (-0.52, 0.54):
        p.fixed(_ellipse(x, 0.46, 0.25, 0.25), (0.1, 0.1, 0.1))
        p.fixed(_ellipse(x, 0.46, 0.11, 0.11), (0.75, 0.75, 0.75))


def _cup(p: _Painter) -> None:
    p.body(np.clip(_ellipse(0.5, 0.05, 0.42, 0.42) - _ellipse(0.5, 0.05, 0.22, 0.24), 0, 1), 0.8)
    p.body(_polygon([(-0.86, -0.6), (0.52, -0.6), (0.36, 0.85), (-0.68, 0.85)]))
    p.body(_ellipse(-0.17, -0.6, 0.69, 0.2), 1.1)
    p.fixed(_ellipse(-0.17, -0.6, 0.54, 0.12), (0.24, 0.15, 0.1))
    p.gloss(_polygon([(-0.6, -0.25), (-0.46, -0.25), (-0.4, 0.6), (-0.5, 0.6)]), 0.5)


_DRAW: dict[str, Callable[[_Painter], None]] = {
    "ball": _ball,
    "box": _box,
    "star": _star,
    "triangle": _triangle,
    "heart": _heart,
    "balloon": _balloon,
    "fish": _fish,
    "car": _car,
    "cup": _cup,
}
NOUNS = tuple(_DRAW)


@cache
def sprite(noun: str) -> Sprite:
    """The drawing of a noun, one of `NOUNS`."""
    painter = _Painter()
    _DRAW[noun](painter)
    return painter.finish()
