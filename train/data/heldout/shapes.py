"""Drawings of the nine first nouns by our own hand, each in several variants.

They share no code and no proportions with the drawings that models are trained on.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np

SIDE = 256  # pixels of a finished drawing
_FINE = 4  # drawn so many times larger, then averaged
_SHIFT = 4  # binary digits of a coordinate's fraction

Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]]


class Canvas:
    """Anti-aliased drawing in coordinates of -1 to 1, y downwards; colours are RGB of 0 to 255."""

    def __init__(self) -> None:
        self.side = SIDE * _FINE
        self.pixels = np.zeros((self.side, self.side, 4), np.uint8)

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fill a polygon."""
        scaled = (np.asarray(points) * 0.48 + 0.5) * self.side * 2**_SHIFT
        fill = (*map(float, colour), 255.0)
        cv2.fillPoly(self.pixels, [np.round(scaled).astype(np.int32)], fill, cv2.LINE_8, _SHIFT)

    def ellipse(self, x: float, y: float, a: float, b: float, colour: Colour) -> None:
        """Fill an ellipse with half axes `a` and `b`."""
        self.polygon(_arc(x, y, a, b), colour)

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a line of round joints through points."""
        for (x0, y0), (x1, y1) in pairwise(points):
            across = np.array([y0 - y1, x1 - x0])
            across = across / max(1e-6, float(np.hypot(*across))) * width / 2
            ends = [(x0, y0), (x1, y1)]
            sides = [(x + s * across[0], y + s * across[1]) for s in (1, -1) for x, y in ends]
            self.polygon([sides[0], sides[1], sides[3], sides[2]], colour)
        for x, y in points:
            self.ellipse(x, y, width / 2, width / 2, colour)

    def rgba(self) -> np.ndarray:
        """The drawing, float32 [SIDE, SIDE, 4] in 0 to 1; colours are multiplied by alpha."""
        # Bytes are multiplied before they are averaged: transparent pixels are black anyway.
        mean = cv2.resize(self.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return mean.astype(np.float32) / 255


def _arc(
    x: float, y: float, a: float, b: float, start: float = 0, stop: float = 360
) -> list[tuple[float, float]]:
    angles = np.radians(np.linspace(start, stop, 90))
    return [(x + a * float(np.cos(t)), y + b * float(np.sin(t))) for t in angles]


def _darker(colour: Colour, share: float = 0.35) -> Colour:
    red, green, blue = (v * (1 - share) for v in colour)
    return red, green, blue


def _lighter(colour: Colour, share: float = 0.4) -> Colour:
    red, green, blue = (v + (255 - v) * share for v in colour)
    return red, green, blue


def _ball(c: Canvas, colour: Colour, variant: int) -> None:
    c.ellipse(0, 0, 1, 1, colour)
    if variant == 0:  # a lit sphere
        c.ellipse(-0.05, -0.07, 0.86, 0.86, _lighter(colour, 0.14))
        c.ellipse(-0.35, -0.4, 0.26, 0.2, _lighter(colour, 0.65))
    elif variant == 1:  # a beach ball
        for start in (0, 120, 240):
            c.polygon([(0, 0), *_arc(0, 0, 1, 1, start, start + 40)], _lighter(colour, 0.55))
        c.ellipse(0, 0, 0.14, 0.14, _darker(colour))
    else:  # seams
        for x in (-0.75, 0.75):
            c.line([(x * (1 - 0.75 * (1 - y * y)), y * 0.8) for y in np.linspace(-1, 1, 25)],
                   0.09, _darker(colour, 0.5))  # fmt: skip


def _box(c: Canvas, colour: Colour, variant: int) -> None:
    if variant == 0:  # a cube seen from its right
        c.polygon([(-1, -0.45), (0.45, -0.45), (0.45, 1), (-1, 1)], colour)
        c.polygon([(-1, -0.45), (-0.5, -1), (1, -1), (0.45, -0.45)], _lighter(colour))
        c.polygon([(0.45, -0.45), (1, -1), (1, 0.4), (0.45, 1)], _darker(colour))
        return
    if variant == 1:  # a crate
        c.polygon([(-1, -0.85), (1, -0.85), (1, 0.85), (-1, 0.85)], _darker(colour))
        for y in (-0.72, -0.2, 0.32):
            c.polygon([(-0.9, y), (0.9, y), (0.9, y + 0.42), (-0.9, y + 0.42)], colour)
        c.line([(-0.85, 0.7), (0.85, -0.68)], 0.16, _lighter(colour, 0.25))
        return
    # an open carton
    c.polygon([(-0.8, -0.3), (0.8, -0.3), (0.8, 0.95), (-0.8, 0.95)], colour)
    c.polygon([(-0.8, -0.3), (-1, -0.75), (-0.2, -0.75), (-0.05, -0.3)], _lighter(colour, 0.25))
    c.polygon([(0.8, -0.3), (1, -0.75), (0.2, -0.75), (0.05, -0.3)], _darker(colour, 0.2))
    c.polygon([(-0.13, -0.3), (0.13, -0.3), (0.13, 0.3), (-0.13, 0.3)], _lighter(colour, 0.55))


def _star(c: Canvas, colour: Colour, variant: int) -> None:
    inner = (0.42, 0.52, 0.38)[variant]
    turns = [(i * 36 - 90, 1 if i % 2 == 0 else inner) for i in range(10)]
    points = [
        (r * float(np.cos(np.radians(t))), r * float(np.sin(np.radians(t)))) for t, r in turns
    ]
    if variant == 2:  # faceted
        c.polygon(points, colour)
        for i in range(0, 10, 2):
            c.polygon([(0, 0), points[i], points[i + 1]], _darker(colour, 0.3))
        return
    c.polygon(points, _darker(colour, 0.4) if variant == 1 else colour)
    if variant == 1:
        c.polygon([(x * 0.82, y * 0.82) for x, y in points], colour)
    else:
        c.line([*points, points[0]], 0.12, colour)


def _triangle(c: Canvas, colour: Colour, variant: int) -> None:
    top = (0, 0.35, 0)[variant]
    points = [(top, -0.9), (0.95, 0.8), (-0.95, 0.8)]
    c.polygon(points, colour)
    if variant == 0:
        c.line([*points, points[0]], 0.14, _darker(colour, 0.3))
    elif variant == 1:
        c.polygon([points[0], points[1], (0.1, 0.8)], _lighter(colour, 0.3))
    else:
        c.line([*points, points[0]], 0.2, colour)
        c.polygon([(0, -0.25), (0.45, 0.55), (-0.45, 0.55)], _lighter(colour, 0.35))


def _heart(c: Canvas, colour: Colour, variant: int) -> None:
    t = np.linspace(0, 2 * np.pi, 160)
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    points = list(zip(x.tolist(), (y * 0.95 - 0.05).tolist(), strict=True))
    c.polygon(points, _darker(colour, 0.4) if variant == 1 else colour)
    if variant == 0:
        c.ellipse(-0.48, -0.42, 0.17, 0.13, _lighter(colour, 0.65))
    elif variant == 1:
        c.polygon([(0.83 * a, 0.83 * b) for a, b in points], colour)
    else:
        right = [(a, b) for a, b in points if a >= 0]
        c.polygon(right, _darker(colour, 0.22))


def _balloon(c: Canvas, colour: Colour, variant: int) -> None:
    wave = [(0.1 * float(np.sin(9 * y)), float(y)) for y in np.linspace(0.5, 1, 14)]
    c.line(wave, 0.05, (90, 90, 95))
    c.polygon([(0, 0.36), (-0.13, 0.58), (0.13, 0.58)], _darker(colour))
    width = (0.62, 0.72, 0.55)[variant]
    c.ellipse(0, -0.28, width, 0.72, colour)
    c.ellipse(-0.24, -0.56, 0.12, 0.2, _lighter(colour, 0.6))
    if variant == 2:
        c.line([(-width * 0.88, -0.28), (width * 0.88, -0.28)], 0.1, _lighter(colour, 0.35))


def _fish(c: Canvas, colour: Colour, variant: int) -> None:
    body = (0.44, 0.56, 0.36)[variant]
    c.polygon([(0.35, 0), (1, -0.5), (0.86, 0), (1, 0.5)], _darker(colour, 0.25))
    c.polygon(
        [(-0.35, -body * 0.8), (0.05, -body - 0.3), (0.35, -body * 0.6)], _darker(colour, 0.2)
    )
    c.ellipse(-0.22, 0, 0.76, body, colour)
    if variant == 1:
        for x in (-0.25, 0.08):
            c.line([(x, -body * 0.8), (x + 0.06, 0), (x, body * 0.8)], 0.1, _lighter(colour, 0.45))
    else:
        c.polygon([(-0.2, 0.02), (0.15, 0.3), (0.18, -0.02)], _darker(colour, 0.25))
    c.ellipse(-0.62, -0.12, 0.1, 0.1, (250, 250, 250))
    c.ellipse(-0.64, -0.12, 0.05, 0.05, (20, 20, 20))


def _car(c: Canvas, colour: Colour, variant: int) -> None:
    roof, glass = ((-0.5, 0.3), (-0.2, 0.65), (-0.72, 0.05))[variant], (190, 225, 245)
    c.polygon([(roof[0] - 0.22, 0), (roof[0], -0.52), (roof[1], -0.52), (roof[1] + 0.3, 0)], colour)
    c.polygon([(roof[0] - 0.08, -0.04), (roof[0] + 0.06, -0.4), (roof[1] - 0.06, -0.4),
               (roof[1] + 0.14, -0.04)], glass)  # fmt: skip
    middle = sum(roof) / 2
    c.line([(middle, -0.4), (middle, 0)], 0.09, colour)
    c.polygon([(-1, 0.02), (-0.92, -0.06), (0.95, -0.06), (1, 0.1), (1, 0.42), (-1, 0.42)], colour)
    c.polygon([(-1, 0.3), (1, 0.3), (1, 0.42), (-1, 0.42)], _darker(colour))
    for x in (-0.55, 0.55):
        c.ellipse(x, 0.42, 0.26, 0.26, (35, 35, 40))
        c.ellipse(x, 0.42, 0.12, 0.12, (190, 190, 195))
    c.ellipse(-0.94, 0.1, 0.07, 0.08, (255, 235, 150))


def _cup(c: Canvas, colour: Colour, variant: int) -> None:
    if variant < 2:  # a mug, or a tea cup on its saucer
        c.ellipse(0.62, 0.02, 0.38, 0.36, _darker(colour, 0.2))
        c.pixels[_inside(c, 0.62, 0.02, 0.2, 0.19)] = 0
    if variant == 1:
        c.ellipse(-0.1, 0.8, 0.85, 0.14, _darker(colour, 0.3))
        c.polygon([(-0.85, -0.5), (0.6, -0.5), *_arc(-0.12, -0.3, 0.72, 1.05, 10, 170)], colour)
        c.ellipse(-0.12, -0.5, 0.73, 0.16, _darker(colour, 0.45))
        return
    if variant == 0:
        c.polygon([(-0.85, -0.75), (0.6, -0.75), (0.6, 0.85), (-0.85, 0.85)], colour)
        c.ellipse(-0.125, 0.85, 0.725, 0.13, colour)
        c.ellipse(-0.125, -0.75, 0.725, 0.17, _darker(colour, 0.45))
        c.polygon([(-0.85, -0.1), (0.6, -0.1), (0.6, 0.2), (-0.85, 0.2)], _lighter(colour, 0.4))
        return
    # a paper cup with a lid
    c.polygon([(-0.62, -0.6), (0.62, -0.6), (0.42, 1), (-0.42, 1)], colour)
    c.polygon([(-0.6, -0.1), (0.6, -0.1), (0.54, 0.4), (-0.54, 0.4)], _darker(colour, 0.25))
    c.polygon([(-0.7, -0.82), (0.7, -0.82), (0.7, -0.6), (-0.7, -0.6)], _lighter(colour, 0.5))


def _inside(c: Canvas, x: float, y: float, a: float, b: float) -> np.ndarray:
    mask = Canvas()
    mask.ellipse(x, y, a, b, (255, 255, 255))
    return mask.pixels[..., 3] > 0


_DRAW: dict[str, Callable[[Canvas, Colour, int], None]] = {
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
DRAWN = tuple(_DRAW)
"""Nouns that this module draws."""
VARIANTS = 3


def draw_shape(noun: str, colour: Colour, variant: int) -> np.ndarray:
    """Draw a noun of DRAWN in a colour (RGB of 0 to 255), in one of VARIANTS ways.

    The drawing is float32 [SIDE, SIDE, 4] in 0 to 1, its colours multiplied by alpha.
    """
    canvas = Canvas()
    _DRAW[noun](canvas, colour, variant)
    return canvas.rgba()
