"""The collages that a training step may learn from: drawn, encoded and kept as steps need them.

The first process of a run draws them, in between or ahead with processes of its own. Where
`train.collage_cache` draws them at the same time (`drawn_elsewhere`), all processes wait for it.
"""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lgvi_core.checkpoint.parts import encode_images
from lgvi_core.errors import LGVIError

from ..data.collage.nouns import unknown_nouns
from ..engine.files import write_text
from ..engine.precision import fast_autocast
from ..engine.workers import map_in_workers
from .batches import ALONE, Rank
from .collage_cache import NOUNS_FILE, CollageShard, StoredCollage, read_nouns, read_shard
from .collage_shards import Drawer, DrawnShard, Encode, write_shard
from .config import TrainConfig
from .data_config import CollageConfig
from .model import build_frozen_vae

logger = logging.getLogger(__name__)

WAIT = 3600.0
"""Seconds that a process waits for a shard that another one draws."""
Group = list[StoredCollage]


class CollagePool:
    """The shards of a cache, drawn in their order by the first process of a run."""

    def __init__(
        self,
        plan: CollageConfig,
        cache: Path,
        build: Callable[[], Encode],
        rank: Rank = ALONE,
    ) -> None:
        """Set up the pool; `build` builds the encoder when a shard must be drawn.

        Raises LGVIError if the list of nouns is neither in the cache nor can be made.
        """
        self.plan, self.cache, self.build, self.rank = plan, cache, build, rank
        self.shards: dict[int, Group] = {}
        self.encode: Encode | None = None
        self.drawn: Iterator[DrawnShard] | None = None
        self.chosen: tuple[int, tuple[str, ...]] | None = None
        self.found: list[Group] = []
        cache.mkdir(parents=True, exist_ok=True)
        if not (cache / NOUNS_FILE).is_file():
            write_text(cache / NOUNS_FILE, "\n".join(unknown_nouns(plan.folder)))

    def nouns(self) -> list[str]:
        """Nouns that no drawing shows."""
        return read_nouns(self.cache)

    def groups(self, count: int, kinds: tuple[str, ...]) -> list[Group]:
        """The collages of some kinds, one list per kind and frame size.

        They are those of the newest `keep_shards` of the first `count` shards.
        """
        if self.chosen != (count, kinds):
            first = max(0, count - self.plan.keep_shards)
            for place in [p for p in self.shards if p < first]:
                del self.shards[place]
            table: dict[tuple[str, tuple[int, int]], Group] = {}
            for place in range(first, count):
                shard = CollageShard.at(place)
                group = self._shard(place)
                if shard.kind in kinds:
                    table.setdefault((shard.kind, shard.size(self.plan.sizes)), []).extend(group)
            self.chosen, self.found = (count, kinds), [table[key] for key in sorted(table)]
        return self.found

    def _shard(self, place: int) -> Group:
        if place not in self.shards:
            shard = CollageShard.at(place)
            path = self.cache / shard.file_name
            if not path.is_file():
                if self.rank.process or self.plan.drawn_elsewhere:
                    self._wait_for(path)
                else:
                    self._draw(shard)
            self.shards[place] = read_shard(path, shard)
        return self.shards[place]

    def _draw(self, shard: CollageShard) -> None:
        """Draw and encode a shard, and those before it that are drawn ahead."""
        if self.encode is None:
            self.encode = self.build()
        if self.drawn is None:
            self.drawn = map_in_workers(Drawer(self.plan), self._missing(), self.plan.workers)
        for drawn in self.drawn:
            write_shard(drawn, self.encode, self.cache)
            if drawn.shard == shard:
                return

    def _missing(self) -> Iterator[CollageShard]:
        """The shards that are not in the cache, in their order, without end."""
        place = 0
        while True:
            shard = CollageShard.at(place)
            if not (self.cache / shard.file_name).is_file():
                yield shard
            place += 1

    def _wait_for(self, path: Path) -> None:
        end = time.monotonic() + WAIT
        while not path.is_file():
            if time.monotonic() > end:
                raise LGVIError(f"{path} was not drawn within an hour")
            time.sleep(0.2)


def build_encoder(config: TrainConfig) -> Encode:
    """Build the function that encodes frames with the run's autoencoder, in small batches."""
    device = torch.device("cuda" if torch.cuda.is_available() and not config.cpu else "cpu")
    vae = build_frozen_vae(config).float().to(device, memory_format=torch.channels_last)
    size = 8 if device.type == "cpu" else 128

    @torch.inference_mode()
    def encode(frames: np.ndarray) -> Tensor:
        found = []
        for part in torch.from_numpy(frames).split(size):
            images: Any = part.to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
            with fast_autocast(device):
                latents = encode_images(vae, images.to(memory_format=torch.channels_last))
            found.append(latents.half().cpu())
        return torch.cat(found).contiguous()

    return encode
