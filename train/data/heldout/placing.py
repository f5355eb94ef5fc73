"""Puts wished-for things into a scene: pictures, sizes, places, paths, ground and camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lgvi_core.errors import LGVIError

from .assets import COLOURS, GREY_COLOURS, Assets, Noun, dye, trim
from .backgrounds import drawn_ground, footage_ground, photographed_ground
from .scene import Rendering, Scene, Thing
from .shapes import DRAWN, VARIANTS, Colour, draw_shape

TRIES = 240
_TRIES_OF_A_LOOK = 12  # before other pictures are taken
CONTRAST = 34.0
"""Mean difference (of 255) that a thing makes at least where it is seen."""
MARGIN = 0.02  # frame heights between things, and from things to the border


@dataclass(frozen=True)
class Wish:
    """What a thing shall be; None leaves it to chance."""

    noun: str
    colour: str | None = None
    size: tuple[float, float] = (0.26, 0.4)
    moves: bool = False
    plain: bool = True
    """Whether it has to have the colour and no other."""
    path: np.ndarray | None = None


@dataclass(frozen=True)
class Setting:
    """How a scene is filmed: the ground's kind (drawn, photograph, footage), and what happens."""

    ground: str = "drawn"
    style: str = "drawn"
    """drawn by our own hand, icon, or mixed."""
    frames: int = 8
    camera: str = ""
    """pan, zoom, shake, or none."""
    exposure: bool = False
    occluded: bool = False
    size: tuple[int, int] = (128, 128)
    """Height and width in pixels."""


@dataclass(frozen=True)
class _Look:
    """A picture as `Thing` has it, and the name of its colour."""

    colour: str | None
    picture: np.ndarray


Check = Callable[[Sequence[Thing]], bool]


class Maker:
    """Makes scenes of the nouns and assets that it was given."""

    def __init__(self, assets: Assets, nouns: dict[str, Noun], known: Sequence[str]) -> None:
        """Raises LGVIError where a known noun is not in `nouns`."""
        if missing := [noun for noun in known if noun not in nouns]:
            raise LGVIError(f"nouns.yaml has no {missing}; add them or leave them out of --known")
        self.assets, self.nouns, self.known = assets, nouns, tuple(known)

    def offers(self, noun: str, style: str, dyed: bool) -> bool:
        """Whether a noun can be shown in a style, and in any colour."""
        entry = self.nouns[noun]
        if style == "drawn":
            return noun in DRAWN
        return bool(entry.dyed) or (not dyed and bool(entry.as_is))

    def choose(self, rng: np.random.Generator, style: str, count: int, dyed: bool) -> list[str]:
        """Choose different known nouns that can be shown in a style."""
        fit = [noun for noun in self.known if self.offers(noun, style, dyed)]
        if count > len(fit):
            raise LGVIError(f"{count} nouns are needed, {len(fit)} can be shown as {style}")
        return [fit[i] for i in rng.permutation(len(fit))[:count]]

    def scene(
        self,
        rng: np.random.Generator,
        wishes: Sequence[Wish],
        setting: Setting,
        check: Check = lambda things: True,
        visible: float = 0.7,
    ) -> Scene:
        """Make a scene in which `check` holds and all things are well seen.

        At least the share `visible` of the frames shows each thing. Raises LGVIError where no try
        succeeds.
        """
        for attempt in range(TRIES):
            if attempt % _TRIES_OF_A_LOOK == 0:
                looks = [self._look(rng, wish, setting) for wish in wishes]
            things = self._things(rng, wishes, looks, setting)
            if things is None or not check(things):
                continue
            scene = self._film(rng, things, setting)
            if _well_seen(scene, visible):
                return scene
        raise LGVIError(f"no scene found for {[wish.noun for wish in wishes]} and {setting}")

    def _things(
        self,
        rng: np.random.Generator,
        wishes: Sequence[Wish],
        looks: Sequence["_Look"],
        setting: Setting,
    ) -> tuple[Thing, ...] | None:
        aspect = setting.size[1] / setting.size[0]
        placed: list[Thing] = []
        for wish, look in zip(wishes, looks, strict=True):
            size = float(rng.uniform(*wish.size))
            for _ in range(40):
                path = wish.path
                if path is None:
                    path = _path(rng, size, aspect, setting.frames, wish.moves)
                tilt = _tilt(rng, setting.frames)
                thing = Thing(wish.noun, look.colour, size, look.picture, path, tilt, wish.moves)
                if wish.path is not None or all(_apart(thing, other) for other in placed):
                    placed.append(thing)
                    break
            else:
                return None
        return tuple(placed)

    def _look(self, rng: np.random.Generator, wish: Wish, setting: Setting) -> "_Look":
        style = setting.style
        if style == "mixed":
            style = str(rng.choice(["drawn", "icon"]))
        other = "icon" if style == "drawn" else "drawn"
        # What has a colour in words keeps it, in another style if need be; else the style is kept.
        plains = (True,) if wish.colour is not None and wish.plain else (wish.plain, False)
        fit = [(s, p) for s in (style, other) for p in plains if self.offers(wish.noun, s, p)]
        if not fit:
            raise LGVIError(f"nouns.yaml has no picture of a {wish.noun} that could be coloured")
        style, plain = fit[0]
        entry = self.nouns[wish.noun]
        colour = wish.colour or str(rng.choice(list(COLOURS)))
        if style == "drawn":
            picture = draw_shape(wish.noun, shade(rng, colour), int(rng.integers(VARIANTS)))
            return _Look(colour, _turned(rng, trim(picture)))
        own = [name for name, own in entry.as_is.items() if own == wish.colour or not plain]
        names = [*entry.dyed, *([] if plain and wish.colour is None else own)]
        name = str(rng.choice(names))
        if name in entry.as_is:
            return _Look(entry.as_is[name], _turned(rng, self.assets.icon(name)))
        return _Look(colour, _turned(rng, dye(self.assets.icon(name), shade(rng, colour))))

    def _film(self, rng: np.random.Generator, things: tuple[Thing, ...], setting: Setting) -> Scene:
        height, width = setting.size
        if setting.ground == "photograph":
            ground = photographed_ground(rng, self.assets, height, width)
        elif setting.ground == "footage":
            ground = footage_ground(rng, self.assets, setting.frames, height, width)
        else:
            ground = drawn_ground(rng, height, width)
        gain = np.ones(setting.frames)
        if setting.exposure:
            first, last = (0.72, 1.18) if rng.random() < 0.5 else (1.15, 0.7)
            gain = np.linspace(first, last, setting.frames)
        scene = Scene(
            height,
            width,
            ground,
            things,
            _camera(rng, setting.camera, setting.frames),
            gain,
            noise=float(rng.choice([0.0, 1.5, 3.0])) if setting.ground != "footage" else 0.0,
            noise_seed=int(rng.integers(2**31)),
        )
        return replace(scene, posts=(_post(rng, things[0]),)) if setting.occluded else scene


def shade(rng: np.random.Generator, colour: str) -> Colour:
    """A shade of one of the eight colours, RGB of 0 to 255."""
    spread = 5 if colour in GREY_COLOURS else 14
    red, green, blue = np.clip(np.array(COLOURS[colour]) + rng.uniform(-spread, spread, 3), 0, 255)
    return float(red), float(green), float(blue)


def _turned(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1]) if rng.random() < 0.5 else picture


def _tilt(rng: np.random.Generator, frames: int) -> np.ndarray:
    first = float(rng.choice([0.0, 0.0, rng.uniform(-16, 16)]))
    return np.full(frames, first)


def _path(
    rng: np.random.Generator, size: float, aspect: float, frames: int, moves: bool
) -> np.ndarray:
    """A path [f, 2] whose ends lie in the frame; a still one has one place only."""
    low = size / 2 + MARGIN
    ends = rng.uniform([low, low], [max(low, aspect - low), max(low, 1 - low)], (2, 2))
    if not moves:
        return np.repeat(ends[:1], frames, axis=0)
    step = ends[1] - ends[0]
    length = float(np.hypot(*step))
    ends[1] = ends[0] + step * min(1.0, max(0.22, min(length, 0.5)) / max(length, 1e-6))
    t = np.linspace(0, 1, frames)[:, None]
    eased = t if rng.random() < 0.5 else (1 - np.cos(np.pi * t)) / 2
    return ends[0] + (ends[1] - ends[0]) * eased


def _apart(one: Thing, other: Thing) -> bool:
    away = np.hypot(*(one.path - other.path).T)
    return bool((away > 0.5 * (one.size + other.size) * 1.02 + MARGIN).all())


def _camera(rng: np.random.Generator, kind: str, frames: int) -> np.ndarray:
    camera = np.zeros((frames, 3))
    camera[:, 2] = 1
    t = np.linspace(-0.5, 0.5, frames)
    if kind == "pan":
        turn = float(rng.uniform(0, 2 * np.pi))
        reach = float(rng.uniform(0.14, 0.26))
        camera[:, 0], camera[:, 1] = t * reach * np.cos(turn), t * reach * np.sin(turn) * 0.6
    elif kind == "zoom":
        ends = (1.0, float(rng.uniform(1.2, 1.35)))
        camera[:, 2] = np.linspace(*(ends if rng.random() < 0.5 else ends[::-1]), frames)
    elif kind == "shake":
        camera[:, :2] = rng.normal(0, 0.012, (frames, 2))
    return camera


def _post(rng: np.random.Generator, thing: Thing) -> Thing:
    """An upright post that stands before a part of a thing for a while, or all the time."""
    picture = np.zeros((256, 256, 4), np.float32)
    tone = float(rng.uniform(0.2, 0.5))
    bar = tone * (1.25 - 0.5 * np.abs(np.linspace(-1, 1, 30)))[None, :, None]
    picture[:, 113:143, :3] = bar * np.array([1.0, 0.9, 0.78])
    picture[:, 113:143, 3] = 1
    size = 2.4
    # The post is 30 of 256 parts of its picture wide: its width follows the thing's.
    width = 0.3 * thing.size
    picture = _narrowed(picture, width / (size * 30 / 256))
    x = thing.path[len(thing.path) // 2, 0] + float(rng.uniform(-0.2, 0.2)) * thing.size
    frames = len(thing.path)
    return Thing("post", None, size, picture, np.tile([x, 0.5], (frames, 1)), np.zeros(frames))


def _narrowed(picture: np.ndarray, factor: float) -> np.ndarray:
    import cv2

    side = picture.shape[0]
    matrix = np.array([[factor, 0, side / 2 * (1 - factor)], [0, 1, 0]], np.float32)
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_AREA)


def _well_seen(scene: Scene, visible: float) -> bool:
    """Whether every thing stands out, and is seen in enough of five frames or more."""
    times = np.linspace(0, scene.frames - 1, 5 if scene.frames <= 8 else 30).round().astype(int)
    rendering = Rendering(scene, times.tolist())
    masks = rendering.coverage() >= 128
    whole = rendering.frames().astype(np.float32)
    everything = range(len(scene.things))
    for i, mask in enumerate(masks):
        expected = 0.16 * (scene.things[i].size * scene.height) ** 2
        seen = mask.sum(axis=(1, 2)) > expected
        if seen.mean() < visible:
            return False
        without = rendering.frames([k for k in everything if k != i])
        if np.abs(whole - without)[mask].mean() < CONTRAST:
            return False
    return True
