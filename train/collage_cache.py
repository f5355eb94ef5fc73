"""Draw shards of collages in advance, by several processes, for a training that would draw them.

    python -m train.collage_cache --config train/configs/lgvi_mini_collages.yaml --shards 200

A training draws and encodes the shards that it needs by itself (`train/lgvi/collage_pool.py`); this
makes use of a machine's idle cores beforehand. A stopped run continues with what is missing.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lgvi_core.errors import LGVIError

from .data.collage.nouns import unknown_nouns
from .engine.config import read_yaml_config
from .engine.files import write_text
from .engine.workers import map_in_workers
from .lgvi.collage_cache import NOUNS_FILE, CollageShard
from .lgvi.collage_pool import build_encoder
from .lgvi.collage_shards import Encode, draw_shard, write_shard
from .lgvi.config import TrainConfig
from .lgvi.data_config import CollageConfig

logger = logging.getLogger(__name__)

LOG_EVERY = 20  # shards


def write_cache(config: TrainConfig, count: int, workers: int) -> None:
    """Write those of the first `count` shards that the run's cache lacks.

    Raises LGVIError if the configuration has no collages or their files are missing.
    """
    if config.data.collages is None or config.data.cache is None:
        raise LGVIError("the configuration has no data.collages: there is nothing to draw")
    cache = config.data.cache
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / NOUNS_FILE).is_file():
        write_text(cache / NOUNS_FILE, "\n".join(unknown_nouns(config.data.collages.folder)))
    shards = map(CollageShard.at, range(count))
    todo = (shard for shard in shards if not (cache / shard.file_name).is_file())
    for done, _ in enumerate(map_in_workers(_Writer(config), todo, workers), 1):
        if done % LOG_EVERY == 0:
            logger.info("%d shards", done)


@dataclass(frozen=True)
class _Writer:
    """Factory of a function that writes one shard; builds the encoder once in each process."""

    config: TrainConfig

    def __call__(self) -> Callable[[CollageShard], None]:
        assert self.config.data.collages is not None and self.config.data.cache is not None
        encode, plan = build_encoder(self.config), self.config.data.collages
        return partial(_write, encode=encode, plan=plan, cache=self.config.data.cache)


def _write(shard: CollageShard, encode: Encode, plan: CollageConfig, cache: Path) -> None:
    write_shard(draw_shard(shard, plan), encode, cache)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="the training's YAML file")
    parser.add_argument("--shards", type=int, required=True, help="how many, from the first on")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        write_cache(read_yaml_config(args.config, TrainConfig), args.shards, args.workers)
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
