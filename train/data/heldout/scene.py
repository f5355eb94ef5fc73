"""Scenes of things that move before a ground, and how they are rendered to frames and masks.

Lengths are in frame heights; a frame spans 0 to its aspect ratio in x and 0 to 1 in y. Rendering is
done at twice the size and averaged.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

FINE = 2


@dataclass(frozen=True)
class Thing:
    """A thing in a scene.

    `picture` is a square float32 [s, s, 4] in 0 to 1, its colours multiplied by alpha. `path`
    [f, 2] holds its centre (x, y) in every frame, `tilt` [f] its rotation in degrees, `size` the
    length of its longer side. `colour` is None where it has no single one.
    """

    noun: str
    colour: str | None
    size: float
    picture: np.ndarray
    path: np.ndarray
    tilt: np.ndarray
    moves: bool = False


@dataclass(frozen=True)
class Scene:
    """Things from back to front, what is behind and before them, and how it is filmed.

    `ground` is [2h, 2w, 3] or [f, h, w, 3] as `backgrounds` makes them, at the rendered size.
    `camera` [f, 3] is a shift (x, y) and a zoom in every frame, `gain` [f] the exposure. `posts`
    are occluders that belong to the ground. `noise` is the standard deviation of sensor noise.
    """

    height: int
    width: int
    ground: np.ndarray
    things: tuple[Thing, ...]
    camera: np.ndarray
    gain: np.ndarray
    posts: tuple[Thing, ...] = ()
    noise: float = 0.0
    noise_seed: int = 0

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.gain)


class Rendering:
    """A scene whose things are drawn once, so that it can be composed with any of them."""

    def __init__(self, scene: Scene, times: Sequence[int] | None = None) -> None:
        """Draw the things in the frames `times`, or in all."""
        self.scene = scene
        self.times = list(range(scene.frames)) if times is None else list(times)
        self.things = [[_layer(scene, thing, t) for t in self.times] for thing in scene.things]
        self.posts = [[_layer(scene, post, t) for t in self.times] for post in scene.posts]
        noise = np.random.default_rng(scene.noise_seed)
        shape = (scene.height, scene.width, 3)
        self.noise = [
            noise.normal(0, scene.noise, shape).astype(np.float32) if scene.noise else None
            for _ in self.times
        ]
        self.grounds = [_ground(scene, t) for t in self.times]

    def frames(self, present: Collection[int] | None = None) -> np.ndarray:
        """Frames uint8 [f, h, w, 3] with the things whose indices are `present`, or with all."""
        shown = range(len(self.things)) if present is None else sorted(present)
        return np.stack([self._frame(k, shown) for k in range(len(self.times))])

    def _frame(self, k: int, shown: Iterable[int]) -> np.ndarray:
        scene = self.scene
        image = self.grounds[k].copy()
        for layer in (*(self.things[i][k] for i in shown), *(post[k] for post in self.posts)):
            if layer is not None:
                part = image[layer.place]
                part *= 1 - layer.rgba[..., 3:]
                part += layer.rgba[..., :3] * 255
        image = cv2.resize(image, (scene.width, scene.height), interpolation=cv2.INTER_AREA)
        image *= scene.gain[self.times[k]]
        if (noise := self.noise[k]) is not None:
            image += noise
        return np.round(image).clip(0, 255).astype(np.uint8)

    def coverage(self) -> np.ndarray:
        """What is seen of every thing in the full scene: uint8 [n, f, h, w], 255 is all of it."""
        scene = self.scene
        size = scene.width, scene.height
        masks = np.zeros((len(self.things), len(self.times), *size[::-1]), np.uint8)
        for k in range(len(self.times)):
            free = np.ones((scene.height * FINE, scene.width * FINE), np.float32)
            for post in self.posts:
                _cover(free, post[k])
            for i in reversed(range(len(self.things))):
                layer = self.things[i][k]
                seen = np.zeros_like(free)
                if layer is not None:
                    seen[layer.place] = layer.rgba[..., 3] * free[layer.place]
                small = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
                masks[i, k] = np.round(small * 255).clip(0, 255)
                _cover(free, layer)
        return masks


@dataclass(frozen=True)
class _Layer:
    """A part of a frame at `place`, float32 [h, w, 4], its colours multiplied by alpha."""

    place: tuple[slice, slice]
    rgba: np.ndarray


def _cover(free: np.ndarray, layer: _Layer | None) -> None:
    if layer is not None:
        free[layer.place] *= 1 - layer.rgba[..., 3]


def _ground(scene: Scene, t: int) -> np.ndarray:
    high, wide = scene.height * FINE, scene.width * FINE
    if scene.ground.ndim == 4:
        return cv2.resize(scene.ground[t], (wide, high), interpolation=cv2.INTER_LINEAR)
    shift_x, shift_y, zoom = scene.camera[t]
    # From a pixel of the frame to one of the ground, whose middle half is the frame at rest.
    fine = scene.ground.shape[0] / (2 * high)
    scale = 1 / zoom
    x0 = wide + shift_x * high - wide / 2 * scale
    y0 = high + shift_y * high - high / 2 * scale
    matrix = np.array([[scale, 0, x0], [0, scale, y0]], np.float32) * fine
    return cv2.warpAffine(
        scene.ground, matrix, (wide, high), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip


def _layer(scene: Scene, thing: Thing, t: int) -> _Layer | None:
    """A thing as the camera sees it, or None where it is outside the frame."""
    high, wide = scene.height * FINE, scene.width * FINE
    shift_x, shift_y, zoom = scene.camera[t]
    x = ((thing.path[t, 0] - shift_x) * high - wide / 2) * zoom + wide / 2
    y = ((thing.path[t, 1] - shift_y) * high - high / 2) * zoom + high / 2
    side = max(2, round(thing.size * zoom * high))
    reach = int(side * 0.75) + 2  # a turned square is at most 1.42 times as wide
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    right, bottom = min(wide, int(x) + reach), min(high, int(y) + reach)
    if right <= left or bottom <= top:
        return None
    method = cv2.INTER_AREA if side < thing.picture.shape[0] else cv2.INTER_CUBIC
    picture = cv2.resize(thing.picture, (side, side), interpolation=method).clip(0, 1)
    matrix = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), float(thing.tilt[t]), 1)
    matrix[:, 2] += x - side / 2 - left, y - side / 2 - top
    rgba = cv2.warpAffine(picture, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    return _Layer((slice(top, bottom), slice(left, right)), rgba)
