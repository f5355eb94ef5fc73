"""Make the bundled models from nothing, with one command.

    python -m train.make_lgvi_mini

The steps are the autoencoder, cached latents, the video model (lgvi-mini) in two runs, drawn
images, the chat model, joint training of both (lgvi-mini-i and lgvi-mini-chat), and the
evaluations. Together they take six hours on two CPU cores. Everything is written where its
configuration in `configs/` says, and the models to `lgvi_core/weights`. Started again after a stop,
the command keeps finished files and resumes trainings from their last checkpoint.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from .chat.config import ChatConfig
from .engine.config import read_yaml_config
from .joint.config import JointConfig
from .lgvi.config import TrainConfig

CONFIGS = Path(__file__).parent / "configs"
WEIGHTS = Path("lgvi_core/weights")
LICENCE = "Apache-2.0"


def run(*arguments: str) -> None:
    """Run one of the scripts in a process of its own."""
    print("$", "python -m", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--processes", type=int, default=2, help="CPU processes, a thread each")
    parser.add_argument("--images", type=int, default=4000, help="cached scenes with one frame")
    parser.add_argument("--videos", type=int, default=1600, help="cached scenes with a short clip")
    parser.add_argument("--turned-images", type=int, default=2000, help="with turned objects")
    parser.add_argument("--turned-videos", type=int, default=800, help="with turned objects")
    parser.add_argument("--pictures", type=int, default=24000, help="drawn scenes for the chat")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    make_video_model(args.images, args.videos, str(args.processes))
    turn_video_model(args.turned_images, args.turned_videos, str(args.processes))
    make_chat_model(args.pictures, str(args.processes))
    make_end_to_end_models(str(args.processes))
    for name in ("lgvi_mini_eval.yaml", "lgvi_mini_chat_eval.yaml"):
        run("train.evaluate", "--config", str(CONFIGS / name), "--workers", str(args.processes))


def make_video_model(images: int, videos: int, processes: str) -> None:
    """Make the autoencoder, cache `images` + `videos` scenes, and train lgvi-mini's first run."""
    config_file = CONFIGS / "lgvi_mini.yaml"
    config = read_yaml_config(config_file, TrainConfig)
    assert config.vae is not None and config.data.cache is not None
    if not (config.vae / "config.json").is_file():
        partial = config.vae.with_name(config.vae.name + ".partial")
        run("train.train_autoencoder", "--output", str(partial))
        partial.rename(config.vae)
    cache = ["--vae", str(config.vae), "--output", str(config.data.cache)]
    counts = ["--images", str(images), "--videos", str(videos)]
    run("train.latent_cache", *cache, *counts, "--workers", processes)
    launch("train.train_lgvi", config_file, processes)
    turned = read_yaml_config(CONFIGS / "lgvi_mini_turned.yaml", TrainConfig)
    export(config, str(turned.start_from))


def turn_video_model(images: int, videos: int, processes: str) -> None:
    """Cache `images` + `videos` scenes with rotated objects, and train lgvi-mini's second run."""
    config_file = CONFIGS / "lgvi_mini_turned.yaml"
    config = read_yaml_config(config_file, TrainConfig)
    assert config.start_from is not None
    cache = ["--vae", str(config.start_from / "vae"), "--output", str(config.data.cache)]
    counts = ["--turned", "--images", str(images), "--videos", str(videos)]
    run("train.latent_cache", *cache, *counts, "--workers", processes)
    launch("train.train_lgvi", config_file, processes)
    export(config, str(WEIGHTS / "lgvi-mini"))


def make_chat_model(pictures: int, processes: str) -> None:
    """Draw `pictures` scenes and train the chat model, still without MM head, on them."""
    config_files = [CONFIGS / name for name in ("chat_mini.yaml", "chat_mini_more.yaml")]
    config = read_yaml_config(config_files[-1], ChatConfig)
    drawn = ["--output", str(config.data.cache), "--scenes", str(pictures)]
    run("train.chat.frames", *drawn, "--workers", processes)
    for config_file in config_files:
        launch("train.train_chat", config_file, processes)
    output = read_yaml_config(CONFIGS / "lgvi_mini_i.yaml", JointConfig).chat.model
    run("train.train_chat", "--export", str(config.output), "--output", str(output))


def make_end_to_end_models(processes: str) -> None:
    """Train the video and the chat model together, and export lgvi-mini-i and lgvi-mini-chat."""
    config_file = CONFIGS / "lgvi_mini_i.yaml"
    launch("train.train_lgvi_i", config_file, processes)
    run_folder = read_yaml_config(config_file, JointConfig).output
    outputs = ["--output", str(WEIGHTS / "lgvi-mini-i")]
    outputs += ["--chat-output", str(WEIGHTS / "lgvi-mini-chat")]
    run("train.export", "--run", str(run_folder), *outputs, "--license", LICENCE, "--check")


def export(config: TrainConfig, output: str) -> None:
    """Export a run's averaged weights in the form that the nodes load."""
    exported = ["--run", str(config.output), "--output", output]
    run("train.export", *exported, "--license", LICENCE, "--check")


def launch(module: str, config_file: Path, processes: str) -> None:
    """Run a training script with `processes` processes."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", processes]
    run(*launcher, "-m", module, "--config", str(config_file))


if __name__ == "__main__":
    main()
