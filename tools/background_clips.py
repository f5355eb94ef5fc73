"""Drawn clips whose background is known: a photograph under a moving camera, an object before it.

The photographs are scikit-image's own. The camera is an affine map from the frame to the
photograph; a nearer layer and an occluder have maps of their own, so that there is parallax.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from skimage import data

SIZE = (216, 384)
"""Height and width of the frames in pixels."""
LENGTH = 32
"""Frames of a clip."""


@dataclass(frozen=True)
class Drawn:
    """A clip with an object, and what it looks like without it.

    `frames` and `truth` uint8 [f, h, w, 3]; `mask` float32 [f, h, w] is 1 on the object; `seen`
    bool [f, h, w] is where another frame shows what lies behind it.
    """

    frames: np.ndarray
    truth: np.ndarray
    mask: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class Layer:
    """A picture, its alpha [h, w], and for each frame the map [2, 3] from the frame to it."""

    picture: np.ndarray
    alpha: np.ndarray
    maps: list[np.ndarray]

    def at(self, t: int, blur: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Colours float32 [h, w, 3] and alpha [h, w] of frame `t`, moved on by `blur` (x, y)."""
        matrix = self.maps[t].copy()
        if blur is not None:
            matrix[:, 2] += blur
        size = SIZE[::-1]
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        colours = cv2.warpAffine(
            self.picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE
        alpha = cv2.warpAffine(self.alpha, matrix, size, flags=flags, borderMode=border)
        return colours, alpha

    def seen(self, shows: list[np.ndarray]) -> list[np.ndarray]:
        """Where each frame could show what any frame shows of this layer, bool [h, w]."""
        size = self.alpha.shape[::-1]
        nearest = cv2.INTER_NEAREST
        covered = np.zeros(self.alpha.shape, np.float32)
        for matrix, show in zip(self.maps, shows, strict=True):
            covered += cv2.warpAffine(show.astype(np.float32), matrix, size, flags=nearest)
        # Nearest-neighbour warping of a magnified layer leaves gaps that are none.
        known = cv2.morphologyEx((covered > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))
        flags = nearest | cv2.WARP_INVERSE_MAP
        return [cv2.warpAffine(known, matrix, SIZE[::-1], flags=flags) > 0 for matrix in self.maps]


Camera = Callable[[int], np.ndarray]
"""From the number of a frame to the map [2, 3] from it to the photograph."""


def camera(
    speed: tuple[float, float] = (0, 0),
    zoom: float = 1.0,
    shake: float = 0.0,
    parallax: float = 1.0,
    start: tuple[float, float] = (60.0, 60.0),
) -> Camera:
    """A camera that pans by `speed` pixels a frame, zooms by `zoom` in all, shakes by `shake`."""
    noise = np.random.default_rng(5).normal(0, 1, (1000, 3))

    def at(t: int) -> np.ndarray:
        scale = zoom ** (-t / (LENGTH - 1)) * (zoom**0.5)
        angle = np.deg2rad(0.25 * shake * noise[t, 2])
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array(SIZE[::-1]) / 2
        moved = parallax * (np.array(speed) * t + shake * noise[t, :2])
        offset = np.array(start) + centre + moved - turn @ centre
        return np.concatenate([turn, offset[:, None]], 1).astype(np.float64)

    return at


def photograph(name: str) -> np.ndarray:
    """One of scikit-image's photographs, float32 [h, w, 3] in 0..255."""
    return np.ascontiguousarray(getattr(data, name)()[..., :3]).astype(np.float32)


def drawn(kind: str, length: int = LENGTH) -> Drawn:
    """The clip of one of KINDS, `length` frames of it."""
    scene = KINDS[kind]
    options = {**DEFAULTS, **scene}
    photo = photograph(options["photo"])
    full = np.ones(photo.shape[:2], np.float32)
    move = camera(options["speed"], options["zoom"], options["shake"])
    layers = [Layer(photo, full, [move(t) for t in range(length)])]
    for extra in options["layers"]:
        layers.append(extra(options["speed"], length))
    frames, truth, masks, belongs = [], [], [], []
    shows: list[list[np.ndarray]] = [[] for _ in layers]
    for t in range(length):
        background, owner = _composed(layers, t, options["blur"], options["speed"])
        colours, alpha = _object(t, options["object_speed"], options["object_from"])
        if options["in_front"]:
            alpha = alpha * (owner != len(layers) - 1)
        light = options["light"](t / max(1, length - 1))
        clean = np.rint((background * light).clip(0, 255))
        seen = clean + alpha[..., None] * (colours - clean)
        mask = alpha > 0
        frames.append(np.rint(seen.clip(0, 255)).astype(np.uint8))
        truth.append(clean.astype(np.uint8))
        masks.append(mask.astype(np.float32))
        belongs.append(owner)
        for number, show in enumerate(shows):
            show.append((owner == number) & ~mask)
    possible = [layer.seen(show) for layer, show in zip(layers, shows, strict=True)]
    seen = [
        np.choose(owner, [part[t] for part in possible]) & (masks[t] > 0)
        for t, owner in enumerate(belongs)
    ]
    return Drawn(*(np.stack(part) for part in (frames, truth, masks, seen)))


def _composed(
    layers: list[Layer], t: int, blur: int, speed: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Colours [h, w, 3] of all layers, and the number of the nearest one at each pixel [h, w]."""
    shutter = [np.array(speed) * (i / max(1, blur - 1) - 0.5) * 0.5 for i in range(blur)]
    total, owner = np.zeros((*SIZE, 3), np.float32), np.zeros(SIZE, int)
    for offset in shutter:
        picture = layers[0].at(t, offset)[0]
        for number, layer in enumerate(layers[1:], 1):
            colours, alpha = layer.at(t)
            picture = picture + alpha[..., None] * (colours - picture)
            owner[alpha > 0.02] = number
        total += picture / blur
    return total, owner


def _object(
    t: int, speed: tuple[float, float], start: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """A textured ball with an arm, at `start` and moving by `speed` pixels a frame."""
    alpha = np.zeros(SIZE, np.float32)
    x, y = start[0] + speed[0] * t, start[1] + speed[1] * t
    cv2.ellipse(alpha, (round(x), round(y)), (26, 40), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    arm = round(x + 34 * np.cos(t / 3)), round(y - 18 + 20 * np.sin(t / 3))
    cv2.line(alpha, (round(x), round(y - 14)), arm, 1.0, 9, cv2.LINE_AA)
    texture = photograph("astronaut")[100 : 100 + SIZE[0], 60 : 60 + SIZE[1]]
    shift = np.array([[1, 0, x - 192], [0, 1, y - 108]], np.float64)
    colours = cv2.warpAffine(texture, shift, SIZE[::-1], borderMode=cv2.BORDER_REFLECT)
    return 255 - colours, alpha


def _trunk(speed: tuple[float, float], length: int) -> Layer:
    """A trunk in front of everything, that moves 1.7 times as fast as the background."""
    picture = photograph("chelsea")[20:280, 100:440] * 0.8
    picture = np.asarray(cv2.resize(picture, (900, 500)))
    alpha = np.zeros(picture.shape[:2], np.float32)
    for x in (330, 520):
        alpha[:, x : x + 22] = 1
    move = camera(speed, parallax=1.7)
    return Layer(picture, alpha, [move(t) for t in range(length)])


def _ground(speed: tuple[float, float], length: int) -> Layer:
    """A nearer ground with a wavy edge over the frame's lower half."""
    picture = cv2.resize(photograph("chelsea"), (1000, 600))
    alpha = np.zeros(picture.shape[:2], np.float32)
    x = np.arange(1000)
    edge = (175 + 9 * np.sin(x / 23)).astype(int)
    alpha[np.arange(600)[:, None] > edge[None]] = 1
    move = camera(speed, parallax=1.7)
    return Layer(picture, alpha, [move(t) for t in range(length)])


def _steady(_: float) -> np.ndarray:
    return np.ones(3, np.float32)


def _drift(part: float) -> np.ndarray:
    """From dark and warm to bright and cold."""
    return np.array([0.8, 0.75, 0.65]) * (1 - part) + np.array([0.95, 1.05, 1.1]) * part


DEFAULTS = {
    "photo": "coffee",
    "speed": (4.3, 1.2),
    "zoom": 1.0,
    "shake": 0.0,
    "blur": 1,
    "layers": (),
    "in_front": False,
    "light": _steady,
    "object_speed": (1.3, 0.4),
    "object_from": (150, 105),
}
KINDS: dict[str, dict] = {
    "pan": {},
    "moving object": {"speed": (0, 0), "object_speed": (8.1, 0.6), "object_from": (60, 100)},
    "zoom": {
        "speed": (1.0, 0.3),
        "zoom": 1.5,
        "object_speed": (4.7, 0.5),
        "object_from": (90, 100),
    },
    "shake": {
        "speed": (2.0, 0.6),
        "shake": 2.0,
        "object_speed": (4.7, 0.5),
        "object_from": (90, 100),
    },
    "exposure": {"light": _drift},
    "occluder": {"layers": (_trunk,), "in_front": True},
    "depths": {"layers": (_ground,)},
    "motion blur": {"speed": (7.7, 1.3), "blur": 9, "object_speed": (0.4, 0)},
    "never moves": {"speed": (0, 0), "object_speed": (0, 0)},
}
"""What differs from DEFAULTS in each clip."""
