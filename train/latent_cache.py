"""Draw scenes with every subset of their objects, and write a cache of their latents.

    python -m train.latent_cache --vae .runs/autoencoder --output .runs/latents --workers 2

A scene with three objects is encoded eight times, which gives 27 pairs of source and target. Shards
are written one by one and never changed afterwards: a stopped run continues with those that are
missing, and a training may already start on those that are there.
"""

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from safetensors.torch import save_file
from torch import Tensor

from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.latents import LATENT_PIXELS

from .data.drawn.scenes import draw_scene
from .engine.precision import fast_autocast
from .engine.workers import map_in_workers
from .lgvi.latent_cache import SCENES_PER_SHARD, Shard, subsets

logger = logging.getLogger(__name__)

ENCODE_BATCH = 16


@torch.inference_mode()
def encode(vae: AutoencoderTiny, frames: np.ndarray) -> Tensor:
    """Encode frames, uint8 [n, h, w, 3], to fp16 latents [n, 4, h/8, w/8] on the CPU."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    device = next(vae.parameters()).device
    chunks = []
    for chunk in images.split(ENCODE_BATCH):
        chunk = chunk.to(device, memory_format=torch.channels_last)
        with fast_autocast(device):
            chunks.append(vae.encode(chunk).latents.half().cpu())
    return torch.cat(chunks).contiguous()


def write_shard(vae: AutoencoderTiny, shard: Shard, folder: Path) -> int:
    """Draw and encode the scenes of one shard, and return the number of encoded frames."""
    height, width = shard.size
    latent_size = (width // LATENT_PIXELS, height // LATENT_PIXELS)
    frames, masks = [], []
    for scene in shard.scenes():
        layers = draw_scene(scene, height, width)
        frames += [layers.compose(keep) for keep in subsets(len(scene.objects))]
        for mask in layers.masks().reshape(-1, height, width):
            small = cv2.resize(mask, latent_size, interpolation=cv2.INTER_AREA)
            masks.append(np.round(np.clip(small, 0, 1) * 255).astype(np.uint8))
    latents = encode(vae, np.concatenate(frames))
    with atomic_write(folder / shard.file_name) as path:
        save_file({"latents": latents, "masks": torch.from_numpy(np.stack(masks))}, path)
    return len(latents)


def write_cache(vae: Path, output: Path, shards: list[Shard], workers: int) -> None:
    """Write those of `shards` that are missing in `output`, with `workers` processes.

    `vae` is an `AutoencoderTiny` folder.
    """
    output.mkdir(parents=True, exist_ok=True)
    todo = [shard for shard in shards if not (output / shard.file_name).exists()]
    start, encoded = time.monotonic(), 0
    counts = map_in_workers(_ShardWriter(vae, output), todo, workers)
    for done, count in enumerate(counts, 1):
        encoded += count
        rate = encoded / (time.monotonic() - start)
        logger.info("%d of %d shards, %.1f frames/s", done, len(todo), rate)


@dataclass(frozen=True)
class _ShardWriter:
    """Factory of a function that writes one shard; loads the autoencoder once in each process."""

    vae: Path
    output: Path

    def __call__(self) -> Callable[[Shard], int]:
        vae = AutoencoderTiny.from_pretrained(self.vae, torch_dtype=torch.float32).eval()
        vae = vae.to("cuda" if torch.cuda.is_available() else "cpu")
        return partial(write_shard, vae.to(memory_format=torch.channels_last), folder=self.output)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--vae", type=Path, required=True, help="AutoencoderTiny folder")
    parser.add_argument("--output", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--images", type=int, default=4000, help="scenes with one frame")
    parser.add_argument("--videos", type=int, default=520, help="scenes with a short clip")
    parser.add_argument("--turned", action="store_true", help="most objects turned by any angle")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # Video shards come last: a training that starts meanwhile needs single frames first.
    shards = [
        Shard(kind, number, args.turned)
        for kind, scenes in (("image", args.images), ("video", args.videos))
        for number in range(-(-scenes // SCENES_PER_SHARD))
    ]
    write_cache(args.vae, args.output, shards, args.workers)


if __name__ == "__main__":
    main()
