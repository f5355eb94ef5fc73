"""Scenes: their random objects, the paths of these, and how a scene is drawn.

Lengths are in frame heights: x runs from 0 to the aspect ratio, y from 0 to 1 (downwards).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from .backgrounds import Background, sample_background
from .emoji import EMOJI, emoji_sprite
from .photographs import PHOTOGRAPHS
from .sprites import COLOURS, NOUNS, sprite

MOVES = 0.06  # least travel over a clip with which an object counts as moving
STILL = 0.005  # greatest travel over a clip with which an object counts as still
TWINS_APART = 0.3  # least distance, along one axis, of two objects that place words tell apart
PHOTOGRAPH_SHARE = 0.5  # share of scenes with a photograph, if photographs are wanted
TURNED_SHARE = 0.7  # share of objects that are rotated, if rotated objects are wanted
EMOJI_SHARE = 0.5  # share of kinds of objects that become emoji, if emoji are wanted
SIZE_RATIO = 1.5  # least ratio of diameters of a "big" and a "small" object


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene: its appearance, and its path over the frames."""

    noun: str
    colour: str
    """The name of its colour in sentences."""
    rgb: tuple[float, float, float]
    """The exact colour in 0 to 1."""
    diameter: float
    """Side of the square that the drawing fills, in frame heights."""
    path: np.ndarray
    """The centre (x, y) in every frame, [f, 2], in frame heights."""
    tilt: np.ndarray
    """Rotation in every frame, [f], in degrees counter-clockwise."""
    mirrored: bool
    """Whether the drawing is mirrored left to right (before it is rotated)."""
    emoji_font: Path | None = None
    """The font if the object is an emoji, which keeps its own colours; None if it is a drawing."""

    @property
    def travel(self) -> float:
        """The greatest distance from the first position, in frame heights."""
        return float(np.linalg.norm(self.path - self.path[0], axis=1).max())


@dataclass(frozen=True)
class Scene:
    """A background and one to three objects, ordered back to front."""

    aspect: float
    background: Background
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True)
class Layers:
    """The layers of a drawn scene, from which frames with any of its objects are composed."""

    background: np.ndarray
    """RGB, float32 [f, h, w, 3] in 0 to 1."""
    objects: np.ndarray
    """Premultiplied RGBA of each object, float32 [n, f, h, w, 4] in 0 to 1."""

    def compose(self, keep: tuple[int, ...] | range) -> np.ndarray:
        """Compose frames, uint8 [f, h, w, 3], with only the objects whose indices are in `keep`."""
        frames = self.background.copy()
        for index in keep:
            layer = self.objects[index]
            frames *= 1 - layer[..., 3:]
            frames += layer[..., :3]
        return np.round(np.clip(frames, 0, 1) * 255).astype(np.uint8)

    def masks(self) -> np.ndarray:
        """The coverage of each object, float32 [n, f, h, w] in 0 to 1, without occlusion."""
        return self.objects[..., 3]


def sample_scene(rng: np.random.Generator, frames: int, aspect: float) -> Scene:
    """Sample a random scene; most have two objects of the same noun, often of the same colour."""
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
    """The scene with only the `chosen` frames (indices or a slice)."""
    background = replace(scene.background, path=scene.background.path[chosen])
    objects = (replace(o, path=o.path[chosen], tilt=o.tilt[chosen]) for o in scene.objects)
    return replace(scene, background=background, objects=tuple(objects))


def with_turned_objects(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with most of its objects rotated by a random angle."""
    angles = rng.uniform(-180, 180, len(scene.objects))
    angles[rng.random(len(angles)) >= TURNED_SHARE] = 0
    turned = (replace(o, tilt=o.tilt + a) for o, a in zip(scene.objects, angles, strict=True))
    return replace(scene, objects=tuple(turned))


def with_photograph(scene: Scene, rng: np.random.Generator, split: str) -> Scene:
    """The scene with a photograph of the split as background, in half of the cases."""
    if rng.random() >= PHOTOGRAPH_SHARE:
        return scene
    name = str(rng.choice(PHOTOGRAPHS[split]))
    return replace(scene, background=replace(scene.background, photograph=name))


def with_emoji(scene: Scene, rng: np.random.Generator, font: Path) -> Scene:
    """The scene with emoji in place of about half of its drawings.

    Objects of the same noun and colour get the same emoji, so that sentences stay unambiguous.
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
    """Draw the background and each object of a scene as separate layers."""
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
    elif count > 1 and rng.random() < 0.4:  # the same colour, so that only the noun can decide
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
    """Whether objects overlap little, and equal ones differ clearly in place or size."""
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
    """Draw an object alone: premultiplied RGBA, float32 [f, height, width, 4] in 0 to 1."""
    target = thing.diameter * height
    size = max(8, round(2 * target))  # twice the drawn size, so that linear sampling stays smooth
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
