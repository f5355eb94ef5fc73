"""GQA-Inpaint as released: single images, each with versions that lack one object.

    ROOT/
        images/<image>.jpg                         the original, used as source
        images_inpainted/<image>/<object>.jpg      without the object, used as target
        masks/<image>/<object>.jpg                 the object's mask
        train_scenes.json, test_scenes.json        scene graphs, by image
        test_instructions.json                     optional: {"i<image>-o<object>": sentence}

A scene graph is GQA's, with each object's place in the image added:

    {"<image>": {"width": 500, "height": 375,
                 "objects": {"<object>": {"name": "cup", "attributes": ["white"],
                                          "relations": [{"name": "on", "object": "<object>"}],
                                          "bidirected": true}},
                 "image_relative_positions": {"<object>": "at the left"}}}

Inpainted images and masks are squares cropped from the middle of the original. An object is used if
it has a target (`bidirected`, true by default), and if a sentence can single it out: no other
object has its name, or just one other, at a different place.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lgvi_core.errors import LGVIError

from ..pictures import read_grey, read_rgb
from ..sample import BrokenSample, Sample

_PLAIN_SHARE = 0.5  # share of sentences about a unique object that do not say where it is
_TRIES = 20  # other images tried to find a sentence about something that is not there


class GqaLayout(BaseModel):
    """Names of the folders and files under the data set's root."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: str = Field(default="images", description="folder of original pictures")
    inpainted: str = Field(
        default="images_inpainted", description="folder of pictures without an object"
    )
    masks: str = Field(default="masks", description="folder of masks")
    scenes: str = Field(default="train_scenes.json", description="scene graphs")
    instructions: str | None = Field(
        default=None, description="ready sentences; null: they are made from the scene graphs"
    )


class GqaInpaintReader:
    """Reader of samples that remove one object from one image; they always have one frame.

    A share of the samples, `absent_share`, asks for an object of another image that is not in this
    one: their target is the source and their mask is empty. Raises LGVIError if the layout of
    `root` does not fit.
    """

    def __init__(
        self, root: Path, layout: GqaLayout | None = None, absent_share: float = 0.0
    ) -> None:
        self.root, self.layout, self.absent_share = Path(root), layout or GqaLayout(), absent_share
        found = sorted(p.name for p in self.root.iterdir()) if self.root.is_dir() else []
        wanted = [name for name in self.layout.model_dump().values() if name is not None]
        missing = [name for name in wanted if not (self.root / name).exists()]
        if missing:
            raise LGVIError(
                f"{root} is not a GQA-Inpaint folder: {', '.join(missing)} missing; "
                f"found: {', '.join(found[:12]) or 'nothing'}"
            )
        scenes = _read_scenes(self.root / self.layout.scenes)
        self.instructions: dict[str, str] | None = None
        if self.layout.instructions is not None:
            self.instructions = _read_table(self.root / self.layout.instructions)
        self.entries: list[tuple[str, str]] = [
            (image, key) for image, scene in scenes.items() for key in _removable(scene)
        ]
        # JSON text takes a seventh of the memory of objects, and loading processes share it.
        self.scenes = {image: _pack(scene) for image, scene in scenes.items()}

    def __len__(self) -> int:
        return len(self.entries)

    def conversations(self) -> int | None:
        """See `Reader.conversations`."""
        return 0

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """See `Reader.order`."""
        return rng.permutation(len(self))

    def read(self, index: int, frames: int, rng: np.random.Generator) -> Sample:
        """See `Reader.read`; the sample always has one frame [1, h, w, 3]."""
        image, key = self.entries[index]
        source, target, mask = self._pictures(image, key)
        sentence = None
        if rng.random() < self.absent_share:
            sentence = self._absent_sentence(image, rng)
        if sentence is not None:
            target, mask = source, np.zeros_like(mask)
        else:
            sentence = self._sentence(image, key, rng)
        return Sample(source[None], target[None], mask[None], sentence, f"{image}/{key}")

    def frames_of(self, index: int) -> int:
        """The number of frames of sample `index`; always 1."""
        return 1

    def examine(self, index: int) -> Sample:
        """Read the sample with a sentence about its own object, never an absent one."""
        image, key = self.entries[index]
        source, target, mask = self._pictures(image, key)
        sentence = self._sentence(image, key, np.random.default_rng(0))
        return Sample(source[None], target[None], mask[None], sentence, f"{image}/{key}")

    def _pictures(self, image: str, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        target_file = self.root / self.layout.inpainted / image / f"{key}.jpg"
        mask_file = self.root / self.layout.masks / image / f"{key}.jpg"
        target = read_rgb(target_file)
        source = read_rgb(self.root / self.layout.images / f"{image}.jpg")
        mask = read_grey(mask_file)
        height, width = target.shape[:2]
        source = _cut(source, height, width, f"{target_file} and its original")
        mask = _cut(mask, height, width, f"{target_file} and its mask")
        mask = np.where(mask > 127, 255, 0).astype(np.uint8)  # JPEG blurs the mask's edge
        if not mask.any():
            raise BrokenSample(f"{mask_file}: the mask is empty")
        return source, target, mask

    def _scene(self, image: str) -> dict[str, Any]:
        scene: dict[str, Any] = json.loads(self.scenes[image])
        return scene

    def _sentence(self, image: str, key: str, rng: np.random.Generator) -> str:
        if self.instructions is None:
            return describe(self._scene(image), key, rng)
        name = f"i{image}-o{key}"
        if name not in self.instructions:
            raise BrokenSample(f"{self.layout.instructions}: has no sentence for {name}")
        return self.instructions[name]

    def _absent_sentence(self, image: str, rng: np.random.Generator) -> str | None:
        """A sentence of another image about an object that this one lacks; None if not found."""
        here = {thing["name"] for thing in self._scene(image)["objects"].values()}
        for _ in range(_TRIES):
            other, key = self.entries[int(rng.integers(len(self.entries)))]
            if self._scene(other)["objects"][key]["name"] not in here:
                return self._sentence(other, key, rng)
        return None


def _pack(scene: dict[str, Any]) -> bytes:
    """The parts of a scene graph that sentences need, as JSON."""
    used = ("name", "attributes", "relations")
    objects = {
        key: {name: thing[name] for name in used if name in thing}
        for key, thing in scene["objects"].items()
    }
    places = scene.get("image_relative_positions", {})
    return json.dumps({"objects": objects, "image_relative_positions": places}).encode()


def describe(scene: dict[str, Any], key: str, rng: np.random.Generator) -> str:
    """A request to remove object `key` of a scene graph, singled out by name, relation or place."""
    objects = scene["objects"]
    thing = objects[key]
    twins = [o for k, o in objects.items() if k != key and o["name"] == thing["name"]]
    words = f"remove the {_named(thing, rng)}"
    if not twins and rng.random() < _PLAIN_SHARE:
        return words
    shared = {pair for twin in twins for pair in _relations(twin, objects)}
    telling = [pair for pair in _relations(thing, objects) if pair not in shared]
    relations = [
        f"{relation['name']} the {_named(objects[relation['object']], rng)}"
        for relation in thing.get("relations", [])
        if (relation["name"], objects.get(relation["object"], {}).get("name")) in telling
    ]
    place = _place(scene, key)
    if relations and (not place or rng.random() < 0.5):
        return f"{words} {relations[rng.integers(len(relations))]}"
    return f"{words} {place}" if place else words


def _relations(thing: dict[str, Any], objects: dict[str, Any]) -> list[tuple[str, str]]:
    """The (relation, other object's name) pairs of an object, without others of its own name."""
    pairs = [
        (relation["name"], objects[relation["object"]]["name"])
        for relation in thing.get("relations", [])
        if relation["object"] in objects
    ]
    return [pair for pair in pairs if pair[1] != thing["name"]]


def _named(thing: dict[str, Any], rng: np.random.Generator) -> str:
    attributes = [a for a in thing.get("attributes") or [] if a]
    chosen = f"{attributes[rng.integers(len(attributes))]} " if attributes else ""
    return chosen + thing["name"]


def _place(scene: dict[str, Any], key: str) -> str:
    """The place of an object as a request words it: "at the left" instead of "to the left"."""
    place = scene.get("image_relative_positions", {}).get(key, "")
    return place.replace("to the ", "at the ", 1) if place.startswith("to the ") else place


def _removable(scene: dict[str, Any]) -> list[str]:
    """Keys of the objects that have a target and that a sentence can single out."""
    objects = scene["objects"]
    counts = Counter(thing["name"] for thing in objects.values())
    places = Counter((thing["name"], _place(scene, key)) for key, thing in objects.items())

    def is_clear(key: str, name: str) -> bool:
        place = _place(scene, key)
        apart = counts[name] == 2 and bool(place) and places[name, place] == 1
        return counts[name] == 1 or apart

    return [
        key
        for key, thing in objects.items()
        if thing.get("bidirected", True) and is_clear(key, thing["name"])
    ]


def _cut(picture: np.ndarray, height: int, width: int, name: str) -> np.ndarray:
    """Resize an image; for a square size, its middle square is cropped first.

    Raises BrokenSample, with `name`, if the aspect ratios of other sizes differ.
    """
    rows, columns = picture.shape[:2]
    if (rows, columns) == (height, width):
        return picture
    if height == width:
        side = min(rows, columns)
        top, left = (rows - side) // 2, (columns - side) // 2
        picture = picture[top : top + side, left : left + side]
    elif abs(columns / rows - width / height) > 0.02:
        raise BrokenSample(f"{name}: {width}x{height} and {columns}x{rows} do not match")
    method = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)


def _read_table(file: Path) -> dict[str, Any]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(table, dict) or not table:
        raise LGVIError(f"{file} must hold a table that is not empty")
    return table


def _read_scenes(file: Path) -> dict[str, Any]:
    scenes = _read_table(file)
    for image, scene in scenes.items():
        objects = scene.get("objects") if isinstance(scene, dict) else None
        if not isinstance(objects, dict):
            found = ", ".join(scene) if isinstance(scene, dict) else repr(scene)[:60]
            raise LGVIError(f"{file.name}, image {image}: no table 'objects'; found {found}")
        for key, thing in objects.items():
            if not isinstance(thing, dict) or not isinstance(thing.get("name"), str):
                found = ", ".join(thing) if isinstance(thing, dict) else repr(thing)[:60]
                raise LGVIError(f"{file.name}, image {image}, object {key}: no name; found {found}")
    return scenes
