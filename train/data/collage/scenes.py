"""Collages: up to six pictures of known things in front of a moving camera's backdrop.

Lengths are in frame heights: x runs from 0 to the aspect ratio, y from 0 to 1 (downwards).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ..drawn.sprites import NOUNS, Sprite
from .backgrounds import Picture, list_backgrounds
from .camera import Backdrop, Camera, draw_backdrop, sample_backdrop, sample_camera
from .icons import OWN, Icon, icons_of
from .look import RGB, Lens, Look, apply_look, sample_lens, sample_look, through_lens
from .vocabulary import vocabulary

COUNTS = {0: 0.05, 1: 0.17, 2: 0.27, 3: 0.25, 4: 0.12, 5: 0.08, 6: 0.06}
"""Probabilities of the number of objects."""
DIAMETERS = {1: (0.12, 0.8), 2: (0.12, 0.6), 3: (0.11, 0.5), 4: (0.1, 0.38), 5: (0.1, 0.34)}
"""Least and greatest diameter by the number of objects; the last serves for more."""
OWN_STYLE = 0.3  # share of our own drawings among pictures of the nouns that they show
OWN_NOUNS = 2.0  # how many times as often these nouns come as the others
OWN_COLOUR = 0.55  # share of pictures with a clear colour that keep it
STEPS = (1, 2, 3, 4)  # time between two frames of a clip


@dataclass(frozen=True)
class Thing:
    """One object of a collage, as a sentence may speak of it; its `path` is what frames show."""

    noun: str
    colour: str | None
    """Its colour in sentences; None where no one word fits."""
    path: np.ndarray
    """The centre (x, y) in every frame, [f, 2]."""
    sizes: np.ndarray
    """The diameter in every frame, [f]."""
    own: np.ndarray
    """Its path without the camera's motion, [f, 2]."""

    @property
    def diameter(self) -> float:
        """The mean diameter."""
        return float(self.sizes.mean())

    @property
    def travel(self) -> float:
        """The greatest distance from the first position that it moves by itself."""
        return float(np.linalg.norm(self.own - self.own[0], axis=1).max())

    def select(self, chosen: np.ndarray) -> "Thing":
        """The thing in the chosen frames (indices) alone."""
        return replace(self, path=self.path[chosen], sizes=self.sizes[chosen], own=self.own[chosen])


@dataclass(frozen=True)
class Pasted:
    """How a thing is drawn."""

    thing: Thing
    icon: Icon
    tint: RGB | None
    """The colour that it is drawn in; None for the icon's own."""
    look: Look
    tilt: np.ndarray
    """Rotation in every frame, [f], in degrees."""
    mirrored: bool
    squash: float
    """Width over height, 1 as the icon has it."""


@dataclass(frozen=True)
class Collage:
    """A backdrop and its things, ordered from back to front."""

    aspect: float
    backdrop: Backdrop
    camera: Camera
    lens: Lens
    pasted: tuple[Pasted, ...]

    @property
    def things(self) -> tuple[Thing, ...]:
        """The things alone."""
        return tuple(p.thing for p in self.pasted)


@dataclass(frozen=True)
class CollageLayers:
    """The drawn layers of a collage."""

    background: np.ndarray
    """RGB, float32 [f, h, w, 3] in 0 to 1."""
    objects: np.ndarray
    """Premultiplied RGBA of each thing, float32 [n, f, h, w, 4]."""
    areas: np.ndarray
    """The area of each thing in pixels, also of what is outside the frame, [n, f]."""
    lens: Lens

    def compose(self, keep: tuple[int, ...] | range) -> np.ndarray:
        """Frames, uint8 [f, h, w, 3], with only the things whose indices are in `keep`."""
        frames = self.background.copy()
        for index in keep:
            layer = self.objects[index]
            frames *= 1 - layer[..., 3:]
            frames += layer[..., :3]
        return through_lens(frames, self.lens)

    def masks(self) -> np.ndarray:
        """The coverage of each thing with its shadow, float32 [n, f, h, w], without occlusion."""
        return np.clip(2 * self.objects[..., 3] - 0.1, 0, 1)

    def shares(self) -> np.ndarray:
        """The share of each thing that is in the frame and not hidden by others, [n, f]."""
        open_ = np.ones(self.background.shape[:3], np.float32)
        shares = np.zeros(self.areas.shape)
        for index in reversed(range(len(self.objects))):
            alpha = self.objects[index, ..., 3]
            shares[index] = (alpha * open_).sum((1, 2)) / np.maximum(self.areas[index], 1)
            open_ = open_ * (1 - alpha)
        return np.minimum(shares, 1)


def sample_collage(
    rng: np.random.Generator,
    folder: Path,
    frames: int,
    aspect: float,
    pictures: tuple[Picture, ...] | None = None,
) -> Collage:
    """Draw a collage of what `fetch` has brought into `folder`.

    `pictures` are those that may be behind it; None are all of training.
    """
    backdrop = sample_backdrop(rng, pictures or list_backgrounds(folder))
    step = float(rng.choice(STEPS))
    camera = sample_camera(rng, frames, step)
    count = int(rng.choice(list(COUNTS), p=list(COUNTS.values())))
    nouns = [n for n in vocabulary().nouns if n not in backdrop.shows]
    drawings = _sample_drawings(rng, folder, nouns, count)
    pasted: list[Pasted] = []
    for drawing in drawings:
        for _ in range(12):
            new = _sample_pasted(rng, drawing, count, camera, frames, step, aspect)
            if _fits(new, pasted):
                pasted.append(new)
                break
    return Collage(aspect, backdrop, camera, sample_lens(rng, frames), tuple(pasted))


def draw_collage(collage: Collage, height: int, width: int) -> CollageLayers:
    """Draw the layers of a collage."""
    background = draw_backdrop(collage.backdrop, collage.camera, height, width)
    drawn = [_draw(p, height, width) for p in collage.pasted]
    frames = len(background)
    objects = np.zeros((len(drawn), frames, height, width, 4), np.float32)
    areas = np.zeros((len(drawn), frames))
    for index, (layer, area) in enumerate(drawn):
        objects[index], areas[index] = layer, area
    return CollageLayers(background, objects, areas, collage.lens)


@dataclass(frozen=True)
class _Drawing:
    noun: str
    icon: Icon
    colour: str | None
    tint: RGB | None


def _sample_drawings(
    rng: np.random.Generator, folder: Path, nouns: list[str], count: int
) -> list[_Drawing]:
    """Draw what is pasted: often two of a noun, or of a colour, so that words must decide."""
    drawings: list[_Drawing] = []
    colours = list(vocabulary().colours)
    weights = np.array([OWN_NOUNS if noun in NOUNS else 1.0 for noun in nouns])
    for index in range(count):
        noun = str(rng.choice(nouns, p=weights / weights.sum()))
        wanted = str(rng.choice(colours))
        if index and rng.random() < (0.5 if count < 4 else 0.3):
            like = drawings[rng.integers(len(drawings))]
            noun = like.noun
            if rng.random() < 0.5 and like.colour is not None:
                wanted = like.colour
        elif index and rng.random() < 0.3 and drawings[-1].colour is not None:
            wanted = drawings[-1].colour
        drawings.append(_coloured(rng, noun, _sample_icon(rng, folder, noun), wanted))
    return drawings


def _sample_icon(rng: np.random.Generator, folder: Path, noun: str) -> Icon:
    """Draw a picture of a noun: first its style, because some styles have many."""
    styles: dict[str, list[Icon]] = {}
    for icon in icons_of(folder, noun):
        styles.setdefault(icon.style, []).append(icon)
    own = styles.pop(OWN, None)
    if own is not None and rng.random() < OWN_STYLE:
        return own[0]
    group = list(styles.values())[rng.integers(len(styles))]
    return group[rng.integers(len(group))]


def _coloured(rng: np.random.Generator, noun: str, icon: Icon, wanted: str) -> _Drawing:
    keeps = icon.tinted is None or (icon.colour is not None and rng.random() < OWN_COLOUR)
    if keeps or icon.tinted is None:
        return _Drawing(noun, icon, icon.colour, None)
    base = np.array(vocabulary().colours[wanted].rgb) + rng.uniform(-0.05, 0.05, 3)
    rgb = np.clip(base, 0, 1)
    return _Drawing(noun, icon, wanted, (float(rgb[0]), float(rgb[1]), float(rgb[2])))


def _sample_pasted(
    rng: np.random.Generator,
    drawing: _Drawing,
    count: int,
    camera: Camera,
    frames: int,
    step: float,
    aspect: float,
) -> Pasted:
    low, high = DIAMETERS[min(count, max(DIAMETERS))]
    diameter = float(rng.uniform(low, high))
    if rng.random() < 0.5:  # small ones are harder, and need more of the data
        diameter = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    margin = min(0.4 * diameter, 0.3)
    start = rng.uniform([margin, margin], [aspect - margin, 1 - margin])
    time = np.arange(frames) * step
    path = np.repeat(start[None], frames, axis=0)
    if rng.random() < 0.6:
        speed = rng.uniform(0.015, 0.07) * _direction(rng)
        if rng.random() < 0.35:  # it enters, leaves, or passes
            speed = rng.uniform(0.1, 0.25) / step * _direction(rng)
        path = path + (time - rng.choice([0, time[-1] / 2, time[-1]]))[:, None] * speed
    if rng.random() < 0.2:
        path = path + np.outer(np.sin(time * rng.uniform(0.4, 0.9)), [0, rng.uniform(0.01, 0.04)])
    seen, sizes = path, np.full(frames, diameter)
    if rng.random() < 0.7:  # it stands in the scene, rather than before the camera
        seen, sizes = camera.follow(path, aspect), diameter * camera.zoom / camera.zoom[0]
    tilt = rng.uniform(-180, 180) if rng.random() < 0.35 else rng.uniform(-15, 15)
    spin = rng.uniform(-4, 4) if rng.random() < 0.4 else 0.0
    thing = Thing(drawing.noun, drawing.colour, seen, sizes, path)
    return Pasted(
        thing,
        drawing.icon,
        drawing.tint,
        sample_look(rng),
        tilt + spin * time,
        bool(rng.random() < 0.5),
        float(rng.uniform(0.82, 1.22)) if rng.random() < 0.3 else 1.0,
    )


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _fits(new: Pasted, others: list[Pasted]) -> bool:
    """Whether a thing hides no other for the most part, which may happen in some frames."""
    for other in others:
        gaps = np.linalg.norm(new.thing.path - other.thing.path, axis=1)
        radii = (new.thing.sizes + other.thing.sizes) / 2
        if np.median(gaps / radii) < 0.7:
            return False
    return True


def _draw(pasted: Pasted, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a thing alone: premultiplied RGBA, float32 [f, height, width, 4], and its area [f]."""
    targets = pasted.thing.sizes * height
    side = int(np.clip(round(1.5 * float(targets.max())), 24, 160))
    icon = pasted.icon
    drawing: Sprite = icon.natural
    if pasted.tint is not None and icon.tinted is not None:
        drawing = icon.tinted
    picture = apply_look(drawing.coloured(pasted.tint or (0, 0, 0), side), pasted.look)
    if pasted.mirrored:
        picture = np.ascontiguousarray(picture[:, ::-1])
    whole = len(picture)
    centre = (whole - 1) / 2
    frames, areas = [], []
    points = zip(pasted.thing.path * height, pasted.tilt, targets, strict=True)
    for (x, y), tilt, target in points:
        scale = float(target) / side
        if scale < 0.7:  # linear sampling alone would alias
            small = max(8, round(whole * scale * 1.4))
            part = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
            scale, middle = scale * whole / small, (small - 1) / 2
        else:
            part, middle = picture, centre
        move = cv2.getRotationMatrix2D((middle, middle), float(tilt), scale)
        move[:, :2] = move[:, :2] @ np.diag([pasted.squash, 1.0])
        at = np.array([x, y]) - 0.5
        move[:, 2] = at - move[:, :2] @ np.array([middle, middle])
        frames.append(cv2.warpAffine(part, move, (width, height), flags=cv2.INTER_LINEAR))
        areas.append(float(part[..., 3].sum()) * scale * scale * pasted.squash)
    return np.clip(np.stack(frames), 0, 1), np.array(areas)
