"""How a pasted picture looks, and how a frame comes out of a camera."""

from dataclasses import dataclass

import cv2
import numpy as np

PAD = 0.15  # room around a picture for outline and shadow, as a share of its side
RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """Changes to one picture before it is pasted; 0 and None change nothing."""

    gain: RGB = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""
    light: float = 0.0
    """Strength of light from one side."""
    light_angle: float = 0.0
    """Its direction in radians."""
    texture: float = 0.0
    """Strength of a pattern on the picture."""
    texture_cells: float = 6.0
    """Waves or patches of the pattern across the picture."""
    texture_seed: int = 0
    outline: RGB | None = None
    """Colour of a line around the picture."""
    outline_width: float = 0.03
    """Its width as a share of the picture's side."""
    shadow: float = 0.0
    """Strength of a soft shadow."""
    shadow_at: tuple[float, float] = (0.05, 0.05)
    """Where the shadow falls (x, y), as shares of the side."""
    softness: float = 0.0
    """Standard deviation of a blur of the edges, as a share of the side."""


def sample_look(rng: np.random.Generator) -> Look:
    """Draw a look; about a third of the pictures keep their own."""
    if rng.random() < 0.3:
        return Look()
    tone = rng.uniform(0.8, 1.15)
    gain = tone * rng.uniform(0.94, 1.06, 3)
    outline: RGB | None = None
    if rng.random() < 0.25:
        grey = float(rng.choice([0.05, 0.1, 0.95]))
        outline = (grey, grey, grey) if rng.random() < 0.7 else _rgb(rng.uniform(0, 1, 3))
    return Look(
        gain=_rgb(gain),
        light=float(rng.uniform(0, 0.35)) if rng.random() < 0.5 else 0.0,
        light_angle=float(rng.uniform(0, 2 * np.pi)),
        texture=float(rng.uniform(0.05, 0.25)) if rng.random() < 0.25 else 0.0,
        texture_cells=float(rng.uniform(3, 12)),
        texture_seed=int(rng.integers(2**31)),
        outline=outline,
        outline_width=float(rng.uniform(0.02, 0.05)),
        shadow=float(rng.uniform(0.2, 0.55)) if rng.random() < 0.3 else 0.0,
        shadow_at=(float(rng.uniform(-0.08, 0.08)), float(rng.uniform(0.02, 0.1))),
        softness=float(rng.uniform(0, 0.015)) if rng.random() < 0.3 else 0.0,
    )


def apply_look(picture: np.ndarray, look: Look) -> np.ndarray:
    """Apply a look to a premultiplied RGBA picture, float32 [s, s, 4] in 0 to 1.

    The result is PAD larger on every side.
    """
    pad = round(PAD * len(picture))
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)))
    side = len(picture)
    rgb, alpha = padded[..., :3], padded[..., 3:]
    rgb = rgb * np.asarray(look.gain, np.float32)
    axis = np.linspace(-1, 1, len(padded), dtype=np.float32)
    if look.light:
        slope = axis[None] * np.cos(look.light_angle) + axis[:, None] * np.sin(look.light_angle)
        rgb = rgb * (1 + look.light * slope)[..., None]
    if look.texture:
        rgb = rgb * (1 + look.texture * _pattern(look, len(padded)))[..., None]
    rgb = np.minimum(rgb, alpha)
    if look.outline is not None:
        width = max(1, round(look.outline_width * side))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
        grown = cv2.dilate(alpha[..., 0], kernel)[..., None]
        rgb = rgb + (grown - alpha) * np.asarray(look.outline, np.float32)
        alpha = grown
    if look.softness:
        soft = cv2.GaussianBlur(np.dstack([rgb, alpha]), (0, 0), max(0.3, look.softness * side))
        rgb, alpha = soft[..., :3], soft[..., 3:]
    if look.shadow:
        move = np.array([[1, 0, look.shadow_at[0] * side], [0, 1, look.shadow_at[1] * side]])
        fallen = cv2.warpAffine(np.ascontiguousarray(alpha[..., 0]), move, alpha.shape[1::-1])
        shade = look.shadow * cv2.GaussianBlur(fallen, (0, 0), 0.04 * side)
        alpha = alpha + (1 - alpha) * shade[..., None]
    return np.clip(np.dstack([rgb, alpha]), 0, 1).astype(np.float32)


def _pattern(look: Look, side: int) -> np.ndarray:
    """Stripes, checks or patches in -1 to 1, float32 [side, side]."""
    rng = np.random.default_rng(look.texture_seed)
    axis = np.linspace(0, look.texture_cells * np.pi, side, dtype=np.float32)
    kind = int(rng.integers(3))
    if kind == 0:
        angle = rng.uniform(0, np.pi)
        return np.sin(axis[None] * np.cos(angle) + axis[:, None] * np.sin(angle)).astype(np.float32)
    if kind == 1:
        return np.sign(np.sin(axis[None]) * np.sin(axis[:, None])).astype(np.float32)
    cells = max(2, round(look.texture_cells))
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Lens:
    """What a camera does to whole frames; the same for every version of a scene."""

    gain: np.ndarray
    """Exposure of every frame and channel [f, 3]."""
    blur: float
    """Standard deviation in pixels; 0 is sharp."""
    noise: float
    """Standard deviation of the noise in 0 to 1."""
    quality: int | None
    """JPEG quality, or None."""
    seed: int
    """Seed of the noise."""


def sample_lens(rng: np.random.Generator, frames: int) -> Lens:
    """Draw a lens; a third of them are perfect."""
    gain = np.ones((frames, 3))
    perfect = rng.random() < 0.33
    if not perfect and rng.random() < 0.5:
        first, last = rng.uniform(0.75, 1.15, 2)
        gain = np.linspace(first, last, frames)[:, None] * rng.uniform(0.95, 1.05, 3)
    return Lens(
        gain,
        blur=0.0 if perfect or rng.random() < 0.6 else float(rng.uniform(0.3, 0.9)),
        noise=0.0 if perfect or rng.random() < 0.5 else float(rng.uniform(0.004, 0.03)),
        quality=None if perfect or rng.random() < 0.6 else int(rng.integers(45, 95)),
        seed=int(rng.integers(2**31)),
    )


def through_lens(frames: np.ndarray, lens: Lens) -> np.ndarray:
    """Pass frames, float32 [f, h, w, 3] in 0 to 1, through a lens; returns uint8."""
    frames = frames * lens.gain[:, None, None].astype(np.float32)
    if lens.blur:
        frames = np.stack([cv2.GaussianBlur(f, (0, 0), lens.blur) for f in frames])
    if lens.noise:
        noise = np.random.default_rng(lens.seed).standard_normal(frames.shape, dtype=np.float32)
        frames = frames + lens.noise * noise
    pixels = np.round(np.clip(frames, 0, 1) * 255).astype(np.uint8)
    return pixels if lens.quality is None else np.stack([_jpeg(f, lens.quality) for f in pixels])


def _jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[..., ::-1]


def _rgb(values: np.ndarray) -> RGB:
    return float(values[0]), float(values[1]), float(values[2])
