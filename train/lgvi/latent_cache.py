"""The cache of drawn scenes' latents: layout and reader. `train.latent_cache` writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from lgvi_core.errors import LGVIError

from ..data.drawn.numbered import FRAME_SIZES, scene_of
from ..data.drawn.scenes import Scene

SCENES_PER_SHARD = 40
VIDEO_FRAMES = 4  # frames of every cached video
FIRST_VIDEO = 1_000_000  # scene numbers from here on are videos
FIRST_TURNED = 2_000_000  # in scenes from here on most objects are rotated
TURNED = "turned"


@dataclass(frozen=True)
class Shard:
    """A shard of the cache; its scenes all have the same frame size and number of frames."""

    kind: str  # "image" or "video"
    number: int
    turned: bool = False

    @classmethod
    def from_stem(cls, name: str) -> "Shard":
        """The shard with a file name (without suffix). Raises LGVIError if it is none."""
        kind, *rest = name.split("-")
        turned, number = rest[:-1], rest[-1] if rest else ""
        known = kind in ("image", "video") and turned in ([], [TURNED]) and number.isdecimal()
        if not known:
            raise LGVIError(f"{name} is no shard of train.latent_cache: take it out of the cache")
        return cls(kind, int(number), bool(turned))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels; shard numbers alternate between the sizes."""
        return FRAME_SIZES[self.number % len(FRAME_SIZES)]

    @property
    def file_name(self) -> str:
        """The name of the shard's file, with its suffix."""
        kind = f"{self.kind}-{TURNED}" if self.turned else self.kind
        return f"{kind}-{self.number:05d}.safetensors"

    def scenes(self) -> list[Scene]:
        """The scenes, sampled again from their seeds; videos differ in speed (stride 1 to 4)."""
        first = self.number * SCENES_PER_SHARD + FIRST_TURNED * self.turned
        first += FIRST_VIDEO * (self.kind == "video")
        aspect = self.size[1] / self.size[0]
        scenes = []
        for number in range(first, first + SCENES_PER_SHARD):
            frames, stride = (1, 1) if self.kind == "image" else (VIDEO_FRAMES, 1 + number % 4)
            scenes.append(scene_of("train", number, frames, aspect, stride, turned=self.turned))
        return scenes


def subsets(count: int) -> Iterator[tuple[int, ...]]:
    """Yield all subsets of `count` objects; the i-th holds the objects whose bit in i is set."""
    for code in range(2**count):
        yield tuple(i for i in range(count) if code >> i & 1)


def subset_code(objects: Sequence[int]) -> int:
    """The position of a subset of objects in the order of `subsets`."""
    return sum(1 << i for i in objects)


@dataclass
class LatentScene:
    """A cached scene with n objects."""

    scene: Scene
    latents: Tensor
    """fp16 [2^n, f, 4, h, w]: the frames with every subset of the objects, as in `subsets`."""
    masks: Tensor
    """Coverage of every object, uint8 [n, f, h, w] at latent size."""


@dataclass
class LatentCache:
    """The scenes of all shards in a folder, by kind and frame size; `refresh` reads them."""

    folder: Path
    scenes: dict[tuple[str, tuple[int, int]], list[LatentScene]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def refresh(self) -> int:
        """Read shards that are new in the folder, and return the number of scenes now held.

        Raises LGVIError if a file's name is not a shard's.
        """
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self.seen:
                self._add(Shard.from_stem(path.stem), load_file(path))
                self.seen.add(path.name)
        return sum(len(group) for group in self.scenes.values())

    def groups(self, kind: str) -> list[list[LatentScene]]:
        """The scenes of a kind ("image" or "video"), one list per frame size."""
        return [group for (k, _), group in sorted(self.scenes.items()) if k == kind]

    def _add(self, shard: Shard, tensors: dict[str, Tensor]) -> None:
        group = self.scenes.setdefault((shard.kind, shard.size), [])
        frames = 1 if shard.kind == "image" else VIDEO_FRAMES
        latent_at = mask_at = 0
        for scene in shard.scenes():
            count = len(scene.objects)
            encoded, drawn = 2**count * frames, count * frames
            latents = tensors["latents"][latent_at : latent_at + encoded]
            masks = tensors["masks"][mask_at : mask_at + drawn]
            group.append(
                LatentScene(
                    scene,
                    latents.unflatten(0, (2**count, frames)),
                    masks.unflatten(0, (count, frames)),
                )
            )
            latent_at, mask_at = latent_at + encoded, mask_at + drawn
        if latent_at != len(tensors["latents"]):
            raise LGVIError(
                f"{shard.file_name} was drawn by another version: empty the cache folder"
            )
