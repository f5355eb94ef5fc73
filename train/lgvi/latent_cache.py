"""The cache of drawn scenes' latents that `train.latent_cache` writes, and how to read it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from lgvi_core.errors import LGVIError

from ..data.drawn.scenes import Scene
from ..data.drawn.synthetic import FRAME_SIZES, scene_of

SCENES_PER_SHARD = 40
VIDEO_FRAMES = 4
FIRST_VIDEO = 1_000_000  # scene numbers from here on are clips
FIRST_TURNED = 2_000_000  # and from here on most objects are turned
TURNED = "turned"


@dataclass(frozen=True)
class Shard:
    """The numbers of one shard's scenes; all have the same size and number of frames."""

    kind: str  # "image" or "video"
    number: int
    turned: bool = False

    @classmethod
    def named(cls, name: str) -> "Shard":
        """The shard of a file, `name` without its ending; LGVIError where it is none."""
        kind, *turned, number = name.split("-")
        known = kind in ("image", "video") and turned in ([], [TURNED]) and number.isdecimal()
        if not known:
            raise LGVIError(f"{name} is no shard of train.latent_cache: take it out of the cache")
        return cls(kind, int(number), bool(turned))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames; the sizes take turns."""
        return FRAME_SIZES[self.number % len(FRAME_SIZES)]

    @property
    def name(self) -> str:
        kind = f"{self.kind}-{TURNED}" if self.turned else self.kind
        return f"{kind}-{self.number:05d}.safetensors"

    def scenes(self) -> list[Scene]:
        """The scenes, made again from their seeds. Clips differ in speed (stride 1 to 4)."""
        first = self.number * SCENES_PER_SHARD + FIRST_TURNED * self.turned
        first += FIRST_VIDEO * (self.kind == "video")
        aspect = self.size[1] / self.size[0]
        scenes = []
        for number in range(first, first + SCENES_PER_SHARD):
            frames, stride = (1, 1) if self.kind == "image" else (VIDEO_FRAMES, 1 + number % 4)
            scenes.append(scene_of("train", number, frames, aspect, stride, turned=self.turned))
        return scenes


def subsets(count: int) -> Iterator[tuple[int, ...]]:
    """All subsets of `count` objects; the i-th holds the objects whose bit in i is set."""
    for code in range(2**count):
        yield tuple(i for i in range(count) if code >> i & 1)


def subset_code(objects: Sequence[int]) -> int:
    """The position of a subset of objects among `subsets`."""
    return sum(1 << i for i in objects)


@dataclass
class LatentScene:
    """One cached scene: `latents` [2^n, f, 4, h, w] fp16, `masks` [n, f, h, w] uint8."""

    scene: Scene
    latents: Tensor
    masks: Tensor


@dataclass
class LatentCache:
    """All shards in a folder, by kind and frame size. `refresh` looks for new ones."""

    folder: Path
    scenes: dict[tuple[str, tuple[int, int]], list[LatentScene]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def refresh(self) -> int:
        """Reads shards that were not there before; returns the number of scenes now held."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self.seen:
                self._add(Shard.named(path.stem), load_file(path))
                self.seen.add(path.name)
        return sum(len(group) for group in self.scenes.values())

    def groups(self, kind: str) -> list[list[LatentScene]]:
        """The scenes of a kind, one list per frame size."""
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
            raise ValueError(f"{shard.name} was drawn by another version: empty the cache folder")
