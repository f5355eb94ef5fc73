"""The bundled model from nothing, with one command.

    python -m train.make_lgvi_mini --output lgvi_core/weights/lgvi-mini

Autoencoder, cached latents, U-Net with text model, export, evaluation: about two and a half hours
on two CPU cores. What a stopped call has finished is not done again, and the U-Net's training goes
on from its last checkpoint. Configurations: `configs/lgvi_mini.yaml` and `lgvi_mini_eval.yaml`.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from .config import TrainConfig, read_config

CONFIGS = Path(__file__).parent / "configs"


def run(*arguments: str) -> None:
    """One of the scripts, in a process of its own."""
    print("$", "python -m", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--processes", type=int, default=2, help="CPU processes, a thread each")
    parser.add_argument("--images", type=int, default=4000, help="cached scenes with one frame")
    parser.add_argument("--videos", type=int, default=1600, help="cached scenes with a short clip")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    config_file = CONFIGS / "lgvi_mini.yaml"
    config = read_config(config_file, TrainConfig)
    assert config.vae is not None and config.data.cache is not None
    processes = str(args.processes)

    if not (config.vae / "config.json").is_file():
        partial = config.vae.with_name(config.vae.name + ".partial")
        run("train.train_autoencoder", "--output", str(partial))
        partial.rename(config.vae)
    cache = ["--vae", str(config.vae), "--output", str(config.data.cache)]
    counts = ["--images", str(args.images), "--videos", str(args.videos)]
    run("train.latent_cache", *cache, *counts, "--workers", processes)
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", processes]
    run(*launcher, "-m", "train.train_lgvi", "--config", str(config_file))
    exported = ["--run", str(config.output), "--output", str(args.output)]
    run("train.export", *exported, "--license", "Apache-2.0", "--check")
    evaluation = ["--config", str(CONFIGS / "lgvi_mini_eval.yaml"), "--model", str(args.output)]
    run("train.evaluate", *evaluation, "--workers", processes)


if __name__ == "__main__":
    main()
