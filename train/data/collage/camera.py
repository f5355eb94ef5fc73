"""A collage's camera: pan, zoom and shake, which move the background and what stands on it."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..drawn.backgrounds import MARGIN, canvas_size, paint_canvas, sample_background
from .backgrounds import Picture, footage, photograph

DRAWN_SHARE = 0.35  # share of drawn backgrounds
CLIP_SHARE = 0.05  # share of footage
ZOOM = (1.0, 1.25)


@dataclass(frozen=True)
class Camera:
    """The camera's window on the canvas, in frame heights."""

    offset: np.ndarray
    """Its corner in every frame, [f, 2] in 0 to MARGIN."""
    zoom: np.ndarray
    """Magnification about its middle in every frame, [f]."""

    def follow(self, path: np.ndarray, aspect: float) -> np.ndarray:
        """Move a path [f, 2], given as the first frame would show it, with the camera."""
        middle = np.array([aspect / 2, 0.5])
        canvas = (path - middle) / self.zoom[0] + middle + self.offset[0]
        return (canvas - self.offset - middle) * self.zoom[:, None] + middle


def sample_camera(rng: np.random.Generator, frames: int, step: float) -> Camera:
    """Draw a camera for frames that are `step` units of time apart; 40 % stand still."""
    start = rng.uniform(0.03, MARGIN - 0.03, 2)
    zoom = np.full(frames, rng.uniform(*ZOOM))
    offset = np.repeat(start[None], frames, axis=0)
    if rng.random() < 0.6:
        time = np.arange(frames) * step
        speed = rng.uniform(-0.03, 0.03, 2) * (rng.random(2) < 0.8)
        offset = offset + time[:, None] * speed
        if rng.random() < 0.4:
            zoom = zoom * np.exp(time * rng.uniform(-0.015, 0.015))
        if rng.random() < 0.3:
            offset = offset + rng.normal(0, rng.uniform(0.002, 0.012), (frames, 2))
    return Camera(np.clip(offset, 0, MARGIN), np.clip(zoom, 1.0, 1.6))


@dataclass(frozen=True)
class Backdrop:
    """What is behind the objects: a drawing, a photograph or footage, as `seed` chooses it."""

    picture: Picture | None
    """None for a drawing."""
    seed: int

    @property
    def shows(self) -> tuple[str, ...]:
        """Nouns of the vocabulary that it shows."""
        return () if self.picture is None else self.picture.shows


def sample_backdrop(rng: np.random.Generator, pictures: tuple[Picture, ...]) -> Backdrop:
    """Draw a backdrop."""
    seed, draw = int(rng.integers(2**31)), rng.random()
    if draw < DRAWN_SHARE:
        return Backdrop(None, seed)
    is_clip = draw < DRAWN_SHARE + CLIP_SHARE
    group = [p for p in pictures if p.is_clip == is_clip] or list(pictures)
    return Backdrop(group[rng.integers(len(group))], seed)


def draw_backdrop(backdrop: Backdrop, camera: Camera, height: int, width: int) -> np.ndarray:
    """Draw a backdrop as the camera sees it, float32 [f, height, width, 3] in 0 to 1."""
    frames = []
    middle = np.array([width / 2, height / 2])
    canvases = _canvases(backdrop, len(camera.zoom), height, width)
    for canvas, offset, zoom in zip(canvases, camera.offset * height, camera.zoom, strict=True):
        # frame = (canvas - offset - middle) * zoom + middle
        shift = middle - zoom * (offset + middle)
        move = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float32)
        frames.append(
            cv2.warpAffine(
                canvas, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            )
        )
    return np.clip(np.stack(frames), 0, 1)


def _canvases(backdrop: Backdrop, frames: int, height: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(backdrop.seed)
    if backdrop.picture is None:
        return [paint_canvas(sample_background(rng, 1), height, width)] * frames
    if backdrop.picture.is_clip:
        clip = footage(backdrop.picture.path)
        step = int(rng.integers(1, 4))
        first = int(rng.integers(max(1, len(clip) - step * frames)))
        return _crops(clip[first : first + step * frames : step], rng, (0.7, 1), height, width)
    return _crops(photograph(backdrop.picture.path)[None], rng, (0.3, 1), height, width) * frames


def _crops(
    pictures: np.ndarray,
    rng: np.random.Generator,
    scales: tuple[float, float],
    height: int,
    width: int,
) -> list[np.ndarray]:
    """The same random crop of every picture, with its tone changed, at the canvas' size."""
    rows, columns = canvas_size(height, width)
    sides = pictures.shape[1:3]
    scale = rng.uniform(*scales) * min(sides[0] / rows, sides[1] / columns)
    size = np.array([rows, columns]) * scale
    top, left = (rng.uniform(0, 1, 2) * (np.array(sides) - size)).astype(int)
    tone = rng.uniform(0.7, 1.2) * rng.uniform(0.92, 1.08, 3)
    flipped, method = rng.random() < 0.5, cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    crops = []
    for picture in pictures:
        part = picture[top : top + int(size[0]), left : left + int(size[1])]
        part = np.ascontiguousarray(part[:, ::-1] if flipped else part)
        resized = cv2.resize(part, (columns, rows), interpolation=method).astype(np.float32) / 255
        crops.append(np.clip(resized * tone, 0, 1).astype(np.float32))
    return crops
