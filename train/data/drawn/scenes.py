"""A scene: which objects there are, where they go, and how it is drawn.

Lengths are in frame heights: x runs over 0..aspect, y over 0..1 (downwards).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from .backgrounds import Background, sample_background
from .emoji import EMOJI, emoji_sprite
from .photographs import PHOTOGRAPHS
from .sprites import COLOURS, NOUNS, sprite

MOVES = 0.06  # from this distance on, over a clip, an object counts as moving
STILL = 0.005  # up to this distance it counts as still
TWINS_APART = 0.3  # least distance, along one axis, of two objects that place words tell apart
PHOTOGRAPH_SHARE = 0.5  # of scenes, where photographs are wanted
TURNED_SHARE = 0.7  # of objects, where turned ones are wanted
EMOJI_SHARE = 0.5  # of kinds of objects, where emoji are wanted
SIZE_RATIO = 1.5  # from here on two objects count as a big and a small one


@dataclass(frozen=True)
class SceneObject:
    """One object: name, colour, and its centre in every frame (`path` [f, 2]).

    With an `emoji_font` it is a picture of that font instead of a drawing in `rgb`.
    """

    noun: str
    colour: str
    rgb: tuple[float, float, float]
    diameter: float
    path: np.ndarray
    tilt: np.ndarray  # [f], degrees
    mirrored: bool
    emoji_font: Path | None = None

    @property
    def travel(self) -> float:
        """How far it gets from where it starts."""
        return float(np.linalg.norm(self.path - self.path[0], axis=1).max())


@dataclass(frozen=True)
class Scene:
    """A background and one to three objects, drawn back to front."""

    aspect: float
    background: Background
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True)
class Layers:
    """A drawn scene, before it is put together.

    `background` [f, h, w, 3] and `objects` [n, f, h, w, 4] (premultiplied RGBA), float32 in 0..1.
    """

    background: np.ndarray
    objects: np.ndarray

    def compose(self, keep: tuple[int, ...] | range) -> np.ndarray:
        """The frames with only the objects in `keep`: uint8 [f, h, w, 3]."""
        frames = self.background.copy()
        for index in keep:
            layer = self.objects[index]
            frames *= 1 - layer[..., 3:]
            frames += layer[..., :3]
        return np.round(np.clip(frames, 0, 1) * 255).astype(np.uint8)

    def masks(self) -> np.ndarray:
        """Every object's coverage [n, f, h, w], float32 in 0..1, as if nothing hid it."""
        return self.objects[..., 3]


def sample_scene(rng: np.random.Generator, frames: int, aspect: float) -> Scene:
    """A random scene; two objects are twins (same noun, often same colour) in most of them."""
    background = sample_background(rng, frames)
    for _ in range(50):
        count = int(rng.choice([1, 2, 3], p=[0.12, 0.43, 0.45]))
        kinds = _sample_kinds(rng, count)
        objects = [_sample_object(rng, noun, colour, frames, aspect) for noun, colour in kinds]
        if _well_placed(objects):
            break
    else:
        objects = objects[:1]
    order = rng.permutation(len(objects))
    return Scene(aspect, background, tuple(objects[i] for i in order))


def select_frames(scene: Scene, chosen: slice | np.ndarray) -> Scene:
    """The same scene with the `chosen` frames only."""
    background = replace(scene.background, path=scene.background.path[chosen])
    objects = (replace(o, path=o.path[chosen], tilt=o.tilt[chosen]) for o in scene.objects)
    return replace(scene, background=background, objects=tuple(objects))


def with_turned_objects(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with most of its objects turned by any angle."""
    angles = rng.uniform(-180, 180, len(scene.objects))
    angles[rng.random(len(angles)) >= TURNED_SHARE] = 0
    turned = (replace(o, tilt=o.tilt + a) for o, a in zip(scene.objects, angles, strict=True))
    return replace(scene, objects=tuple(turned))


def with_photograph(scene: Scene, rng: np.random.Generator, split: str) -> Scene:
    """The scene before a photograph of the split, in half of the cases."""
    if rng.random() >= PHOTOGRAPH_SHARE:
        return scene
    name = str(rng.choice(PHOTOGRAPHS[split]))
    return replace(scene, background=replace(scene.background, photograph=name))


def with_emoji(scene: Scene, rng: np.random.Generator, font: Path) -> Scene:
    """The scene with emoji in place of about half of its drawings.

    Objects alike in name and colour stay alike, so that sentences stay as clear as they were.
    """
    kinds = sorted({(o.noun, o.colour) for o in scene.objects})
    nouns = rng.permutation(list(EMOJI))[: len(kinds)]
    swaps = {k: str(n) for k, n in zip(kinds, nouns, strict=True) if rng.random() < EMOJI_SHARE}
    objects = []
    for thing in scene.objects:
        noun = swaps.get((thing.noun, thing.colour))
        if noun is not None:
            thing = replace(thing, noun=noun, colour=EMOJI[noun][1], emoji_font=font)
        objects.append(thing)
    return replace(scene, objects=tuple(objects))


def draw_scene(scene: Scene, height: int, width: int) -> Layers:
    """Draws every part of a scene by itself."""
    background = scene.background.draw(height, width)
    layers = [_draw_object(thing, height, width) for thing in scene.objects]
    return Layers(background, np.stack(layers))


def _sample_kinds(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    kinds: list[tuple[str, str]] = []
    while len(kinds) < count:
        kind = (str(rng.choice(NOUNS)), str(rng.choice(list(COLOURS))))
        if kind not in kinds:
            kinds.append(kind)
    if count > 1 and rng.random() < 0.7:
        same_colour = rng.random() < 0.65
        kinds[1] = (kinds[0][0], kinds[0][1] if same_colour else kinds[1][1])
    elif count > 1 and rng.random() < 0.4:  # same colour, another noun: the noun must decide
        kinds[1] = (kinds[1][0], kinds[0][1])
    return kinds


def _sample_object(
    rng: np.random.Generator, noun: str, colour: str, frames: int, aspect: float
) -> SceneObject:
    low, high = (0.24, 0.42) if aspect < 1.3 else (0.3, 0.5)
    diameter = rng.uniform(low, high)
    margin = 0.5 * diameter
    low_corner, high_corner = np.full(2, margin), np.array([aspect, 1.0]) - margin
    start = rng.uniform(low_corner, high_corner)
    if rng.random() < 0.35:
        path = np.repeat(start[None], frames, axis=0)
    else:
        reach = 0.04 * (frames - 1)
        end = np.clip(start + rng.uniform(-reach, reach, 2), low_corner, high_corner)
        path = np.linspace(start, end, frames)
    if rng.random() < 0.25:
        wave = np.sin(rng.uniform(0, 6.28) + np.arange(frames) * rng.uniform(0.4, 0.9))
        path = path + np.stack([np.zeros(frames), rng.uniform(0.01, 0.03) * wave], axis=1)
    tilt = rng.uniform(-12, 12) + rng.uniform(-1.5, 1.5) * np.arange(frames)
    jitter = rng.uniform(-0.05, 0.05, 3)
    rgb = tuple(float(v) for v in np.clip(np.array(COLOURS[colour]) + jitter, 0, 1))
    return SceneObject(
        noun, colour, (rgb[0], rgb[1], rgb[2]), diameter, path, tilt, bool(rng.random() < 0.5)
    )


def _well_placed(objects: list[SceneObject]) -> bool:
    """Objects hide little of each other, and equal ones can be told apart by place or size."""
    for i, one in enumerate(objects):
        for other in objects[:i]:
            gap = np.abs(one.path - other.path)
            radii = (one.diameter + other.diameter) / 2
            if np.hypot(*gap.T).min() < 0.85 * radii:
                return False
            ratio = max(one.diameter, other.diameter) / min(one.diameter, other.diameter)
            twins = (one.noun, one.colour) == (other.noun, other.colour)
            if twins and gap.min(axis=0).max() < TWINS_APART and ratio < SIZE_RATIO:
                return False
    return True


def _draw_object(thing: SceneObject, height: int, width: int) -> np.ndarray:
    """Premultiplied RGBA frames [f, height, width, 4], float32 in 0..1."""
    target = thing.diameter * height
    size = max(8, round(2 * target))  # twice the shown size: linear sampling then stays smooth
    font = thing.emoji_font
    drawing = sprite(thing.noun) if font is None else emoji_sprite(thing.noun, font)
    picture = drawing.coloured(thing.rgb, size)
    if thing.mirrored:
        picture = np.ascontiguousarray(picture[:, ::-1])
    frames = []
    centre = (size - 1) / 2
    for (x, y), tilt in zip(thing.path * height, thing.tilt, strict=True):
        move = cv2.getRotationMatrix2D((centre, centre), float(tilt), target / size)
        move[:, 2] = move[:, 2] + np.array([x, y]) - 0.5 - centre
        frames.append(cv2.warpAffine(picture, move, (width, height), flags=cv2.INTER_LINEAR))
    return np.stack(frames)
