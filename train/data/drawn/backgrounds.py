"""Backgrounds, procedural or photographs, that can be drawn at any size.

All lengths are in frame heights, so a background drawn larger is the same image with finer edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .photographs import photograph

KINDS = ("clouds", "gradient", "hills", "stripes", "tiles", "dots")
_WEIGHTS = np.array([0.26, 0.2, 0.22, 0.12, 0.08, 0.12])  # probabilities of KINDS
MARGIN = 0.35  # greatest pan of the camera to the right and down, in frame heights


@dataclass(frozen=True)
class Background:
    """A background and the camera's path over it."""

    kind: str
    """The kind of drawing, one of `KINDS`."""
    seed: int
    """Seed of the drawing's details, or of the photograph's crop."""
    colours: np.ndarray
    """Three RGB colours of the drawing, [3, 3] in 0 to 1."""
    path: np.ndarray
    """The camera's offset (x, y) in every frame, [f, 2] in 0 to MARGIN frame heights."""
    photograph: str | None = None
    """One of `PHOTOGRAPHS` that replaces the drawing, if any."""

    def draw(self, height: int, width: int) -> np.ndarray:
        """Draw all frames, float32 [f, height, width, 3] in 0 to 1."""
        paint = paint_canvas if self.photograph is None else _crop_photograph
        canvas = paint(self, height, width)
        frames = []
        for x, y in self.path * height:
            move = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
            frames.append(cv2.warpAffine(canvas, move, (width, height), flags=cv2.INTER_LINEAR))
        return np.clip(np.stack(frames), 0, 1)


def sample_background(rng: np.random.Generator, frames: int) -> Background:
    """Sample a random background; its camera stands still with probability 0.4."""
    hue = rng.uniform(0, 360)
    colours = []
    for _ in range(3):
        hsv = [(hue + rng.uniform(-45, 45)) % 360, rng.uniform(0.05, 0.45), rng.uniform(0.35, 0.9)]
        pixel = np.array([[hsv]], np.float32)
        colours.append(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    start = rng.uniform(0.02, MARGIN - 0.02, 2)
    end = start
    if rng.random() > 0.4:
        reach = min(0.03 * (frames - 1), MARGIN)
        end = np.clip(start + rng.uniform(-reach, reach, 2), 0.02, MARGIN - 0.02)
    path = np.linspace(start, end, frames)
    kind = str(rng.choice(KINDS, p=_WEIGHTS))
    return Background(kind, int(rng.integers(2**31)), np.stack(colours), path)


def _noise(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, cells: float) -> np.ndarray:
    """Smooth noise in 0 to 1 at the points (x, y), with `cells` bumps per frame height."""
    grid = rng.random((16, 24)).astype(np.float32)
    return np.clip(
        cv2.remap(grid, x * cells + 2, y * cells + 2, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP),
        0,
        1,
    )


def canvas_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) in pixels of the area that the camera may see."""
    return height + round(MARGIN * height), width + round(MARGIN * height)


def _crop_photograph(background: Background, height: int, width: int) -> np.ndarray:
    """A random crop of the photograph, at least half of the largest, mirrored or not."""
    rng = np.random.default_rng(background.seed)
    rows, columns = canvas_size(height, width)
    picture = photograph(background.photograph or "")
    scale = rng.uniform(0.5, 1) * min(picture.shape[0] / rows, picture.shape[1] / columns)
    size = np.array([rows, columns]) * scale
    top, left = rng.uniform(0, 1, 2) * (np.array(picture.shape[:2]) - size)
    part = picture[int(top) : int(top + size[0]), int(left) : int(left + size[1])]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(part), (columns, rows), interpolation=method)
    return resized.astype(np.float32) / 255


def paint_canvas(background: Background, height: int, width: int) -> np.ndarray:
    """Paint all that the camera may see of a drawing, float32 [h, w, 3] in 0 to 1.

    It is MARGIN frame heights larger than a frame of `height` x `width`.
    """
    rng = np.random.default_rng(background.seed)
    rows, columns = canvas_size(height, width)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / height
    first, second, third = background.colours.astype(np.float32)
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    soft = 1.5 / height  # width of an antialiased edge: 1.5 pixels in frame heights

    if background.kind == "gradient":
        mix = (along - along.min()) / np.ptp(along)
    elif background.kind == "clouds":
        mix = 0.7 * _noise(rng, x, y, rng.uniform(1.5, 3)) + 0.3 * _noise(rng, x, y, 6)
    elif background.kind == "stripes":
        wave = np.sin(2 * np.pi * along * rng.uniform(1.5, 4)) * rng.uniform(1, 3)
        mix = 0.5 + 0.3 * np.tanh(wave)
    elif background.kind == "tiles":
        cells = rng.uniform(2, 4)
        wave = np.sin(np.pi * x * cells) * np.sin(np.pi * y * cells)
        mix = 0.5 + 0.25 * np.clip(wave / (np.pi * cells * soft), -1, 1)
    elif background.kind == "dots":
        cells = rng.uniform(2.5, 5)
        distance = np.hypot((x * cells) % 1 - 0.5, (y * cells) % 1 - 0.5) / cells
        mix = 0.2 + 0.5 * np.clip((rng.uniform(0.2, 0.32) / cells - distance) / soft + 0.5, 0, 1)
    else:
        mix = np.clip(y / (1 + MARGIN), 0, 1)
    picture = first + mix[..., None] * (second - first)

    if background.kind == "hills":
        for layer in range(2):
            base = 0.5 + 0.3 * layer + rng.uniform(-0.08, 0.08)
            phase = rng.uniform(0, 2 * np.pi, 2)
            ridge = base + 0.08 * np.sin(x * rng.uniform(2, 4) + phase[0])
            ridge += 0.04 * np.sin(x * rng.uniform(5, 8) + phase[1])
            cover = np.clip((y - ridge) / soft + 0.5, 0, 1)[..., None]
            tone = third * (1.0 - 0.25 * layer)
            picture = picture + cover * (tone - picture)
    shading = 0.92 + 0.16 * _noise(rng, x, y, 2.0)
    return np.clip(picture * shading[..., None], 0, 1).astype(np.float32)
