"""What lies behind the objects: drawn grounds, photographs and moving footage.

A ground is float32 RGB [2h, 2w, 3] of 0 to 255, twice as wide and high as the frame, which lies in
its middle, so that a camera can move; footage has one of frame size for every frame.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..pictures import cover_and_crop
from .assets import Assets, photograph

FOOTAGE_STARTS = {
    "bigbuckbunny": (0, 70),
    "carphone": (0, 100),
    "tree": (0, 40),
    "vtest": (0, 700),
    "bikes": (150, 170),
}
"""First frames that a clip may begin with, chosen so that no film cut lies within eight frames."""


def drawn_ground(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a ground for frames of `height` x `width`, of muted colours, by one of many patterns."""
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
    y, x = np.mgrid[: 2 * height, : 2 * width].astype(np.float32) / height - 0.5
    ground = pattern(rng, x, y)
    lights = 1 + 0.08 * float(rng.uniform(-1, 1)) * (x - x.mean())
    return (ground * lights[..., None]).clip(0, 255).astype(np.float32)


def photographed_ground(
    rng: np.random.Generator, assets: Assets, height: int, width: int
) -> np.ndarray:
    """A part of a photograph as ground."""
    files = assets.photographs()
    picture = photograph(files[int(rng.integers(len(files)))])
    rows, columns = picture.shape[:2]
    largest = min(rows / (2 * height), columns / (2 * width))
    scale = largest * float(rng.uniform(0.65, 1))
    size = max(1, int(2 * height * scale)), max(1, int(2 * width * scale))
    top = int(rng.integers(rows - size[0] + 1))
    left = int(rng.integers(columns - size[1] + 1))
    part = picture[top : top + size[0], left : left + size[1]]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(part), (2 * width, 2 * height), interpolation=method)
    return resized.astype(np.float32)


def footage_ground(
    rng: np.random.Generator, assets: Assets, frames: int, height: int, width: int
) -> np.ndarray:
    """Consecutive frames of a film, float32 [f, h, w, 3], cut to the frame's size."""
    name = str(rng.choice(list(FOOTAGE_STARTS)))
    low, high = FOOTAGE_STARTS[name]
    start = int(rng.integers(low, high + 1))
    files = assets.footage(name)[start : start + frames]
    return read_footage(files, height, width).astype(np.float32)


def read_footage(files: list[Path], height: int, width: int) -> np.ndarray:
    """Frames of files as uint8 [f, h, w, 3], scaled to cover the size and cut centrally."""
    return cover_and_crop(np.stack([photograph(file) for file in files]), (height, width))


def _muted(rng: np.random.Generator) -> np.ndarray:
    """A colour of little saturation, RGB of 0 to 255."""
    hue, saturation = float(rng.uniform(0, 360)), float(rng.uniform(0.05, 0.38))
    value = float(rng.uniform(0.3, 0.95))
    pixel = np.array([[[hue, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] * 255


def _near(rng: np.random.Generator, colour: np.ndarray, spread: float = 40) -> np.ndarray:
    return (colour + rng.uniform(-spread, spread, 3)).clip(15, 250)


def _mix(share: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one + (other - one) * share.clip(0, 1)[..., None]


def _slope(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    turn = float(rng.uniform(0, 2 * np.pi))
    return _mix((x * np.cos(turn) + y * np.sin(turn) + 1) / 2, _muted(rng), _muted(rng))


def _clouds(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    share = np.zeros_like(x)
    for cells, weight in ((4, 0.6), (9, 0.3), (22, 0.18)):
        coarse = rng.random((cells, 2 * cells)).astype(np.float32)
        share += weight * cv2.resize(coarse, x.shape[::-1], interpolation=cv2.INTER_CUBIC)
    first = _muted(rng)
    return _mix(share, first, _near(rng, first, 75))


def _stripes(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    turn, count = float(rng.uniform(0, np.pi)), float(rng.uniform(2, 6))
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * count * 2 * np.pi)
    first = _muted(rng)
    return _mix(wave * 4 + 0.5, first, _near(rng, first))


def _dots(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    step = float(rng.uniform(0.1, 0.22))
    away = np.hypot(x % step - step / 2, y % step - step / 2)
    first = _muted(rng)
    return _mix((step * 0.28 - away) * 60 + 0.5, first, _near(rng, first, 50))


def _checks(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    step = float(rng.uniform(0.15, 0.4))
    share = (np.floor(x / step) + np.floor(y / step)) % 2
    first = _muted(rng)
    return _mix(share, first, _near(rng, first, 30))


def _hills(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ground = _mix(y + 0.3, _muted(rng) * 0.3 + 170, _muted(rng))
    colour = _muted(rng)
    for level in (0.35, 0.55, 0.8):
        waves = sum(
            float(rng.uniform(0.02, 0.1)) * np.sin(x * f + float(rng.uniform(0, 6)))
            for f in (2.5, 6)
        )
        colour = _near(rng, colour * 0.88, 12)
        ground = _mix((y - level - waves) * 120 + 0.5, ground, colour)
    return ground


def _bricks(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    high = float(rng.uniform(0.09, 0.18))
    row = np.floor(y / high)
    along = x + (row % 2) * high
    joint = np.minimum(y % high, along % (2 * high)) < 0.012
    cell = np.sin(row * 12.9898 + np.floor(along / (2 * high)) * 78.233) * 43758.5453
    first = _muted(rng)
    tone = (cell - np.floor(cell)).astype(np.float32)
    return _mix(joint.astype(np.float32), _mix(tone, first, _near(rng, first, 30)), first * 0.6)


def _room(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    level, wall = float(rng.uniform(0.55, 0.8)), _muted(rng)
    floor = _muted(rng) * 0.75
    boards = (np.sin((x - 0.6) / (y - level + 0.35) * 18) > 0.93).astype(np.float32)
    below = (y > level).astype(np.float32)
    panel = (np.abs(x % 0.5 - 0.25) < 0.008).astype(np.float32) * 0.5
    ground = _mix(below, _mix(panel, wall, wall * 0.7), floor)
    return _mix(below * boards * 0.6, ground, floor * 0.6)


_PATTERNS: tuple[Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray], ...] = (
    _slope, _clouds, _stripes, _dots, _checks, _hills, _bricks, _room,
)  # fmt: skip
