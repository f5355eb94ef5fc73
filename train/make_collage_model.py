"""Make the bundled video model from collages within a given time, on a GPU or a CPU.

    python -m train.make_collage_model --collage .cache/packed --output .runs/made --minutes 25

It trains the autoencoder, then draws and encodes collages beside the training that learns from
them, exports in fp16, and evaluates. `--size large` is for a GPU; only `small` may start from the
committed weights. Started again after a stop it goes on where it was; with `--stop-after` a call
ends itself, and exports what there is so far, so that a long training may be cut into short calls.

Fetch the files of collages first (`train.data.collage.fetch`), and pack them where they have to
travel to the machine that trains (`train.data.collage.pack`).
"""

import argparse
import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lgvi_core.errors import LGVIError

from .engine.files import write_text

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parent
CONFIGS = ROOT / "configs"
COMMITTED = ROOT.parent / "lgvi_core" / "weights" / "lgvi-mini"
LICENCE = "Apache-2.0"
AUTOENCODER_SHARE = 0.18  # of the time
END_SHARE = 0.1  # of the time, for the export and the evaluation
FRAMES_PER_MINUTE = 600  # frames rendered for the autoencoder, while there are few
ENDLESS = 10_000_000  # steps and shards of a training that time ends


@dataclass(frozen=True)
class Size:
    """How large the networks, the frames and the steps are."""

    widths: tuple[int, int, int]
    heads: tuple[int, int, int]
    text_width: int
    frames: tuple[tuple[int, int], ...]
    batch_images: int
    batch_videos: int
    peak: float


SIZES = {
    "small": Size((64, 128, 192), (2, 4, 6), 128, ((128, 128), (96, 160)), 256, 64, 7e-4),
    "large": Size((80, 160, 256), (2, 4, 8), 128, ((192, 192), (144, 256)), 384, 96, 6e-4),
}
CPU_BATCHES = (40, 10)
"""Single frames and clips in a step on a CPU, whatever the size."""


@dataclass(frozen=True)
class Job:
    """What is made, where, how long, and on what."""

    collage: Path
    output: Path
    minutes: float
    device: str
    size: str
    start: str
    workers: int

    @property
    def vae(self) -> Path:
        """The folder of the trained autoencoder."""
        return self.output / "vae"

    @property
    def config(self) -> Path:
        """The training's configuration."""
        return self.output / "train.yaml"

    @property
    def model(self) -> Path:
        """The folder of the exported model."""
        return self.output / "model"


def check(job: Job) -> None:
    """Raise LGVIError if the job cannot be done."""
    if job.size not in SIZES:
        raise LGVIError(f"size {job.size!r} is unknown: choose one of {', '.join(SIZES)}")
    if job.start == "committed" and job.size != "small":
        raise LGVIError("the committed weights are small ones: --size small, or --start nothing")
    if not (job.collage / "icons").is_dir():
        raise LGVIError(
            f"{job.collage} holds no icons: "
            f"python -m train.data.collage.fetch --output {job.collage}"
        )


def training_config(job: Job) -> dict[str, Any]:
    """The configuration of the video model's training, a variant of lgvi_mini_collages.yaml."""
    size, gpu = SIZES[job.size], job.device == "cuda"
    text = (CONFIGS / "lgvi_mini_collages.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    images, videos = (size.batch_images, size.batch_videos) if gpu else CPU_BATCHES
    drawers, loaders = share_workers(job.workers) if gpu else (0, 0)
    values |= {
        "output": str(job.output / "run"),
        "vae": str(job.vae),
        "max_steps": ENDLESS,
        "max_minutes": job.minutes * (1 - AUTOENCODER_SHARE - END_SHARE),
        "mixed_precision": "bf16" if gpu else "no",
        "cpu": not gpu,
        "checkpoint_every": 500 if gpu else 200,
        "threads": None if gpu else 1,
    }
    values["data"] |= {
        "cache": str(job.output / "shards"),
        "batch_images": images,
        "batch_videos": videos,
        "video_from": 0.0,
        "workers": loaders,
        "collages": {
            "folder": str(job.collage),
            "sizes": [list(s) for s in size.frames],
            "first_shards": 60 if gpu else 10,
            "steps_per_shard": 2 if gpu else 10,
            "drawn_elsewhere": drawers > 0,
        },
    }
    for part in ("unet", "mask_decoder", "text_encoder"):
        values["optimizer"][part]["peak"] = size.peak
    values.pop("samples")
    if job.start == "nothing":
        values |= from_nothing(size)
    return values


def from_nothing(size: Size) -> dict[str, Any]:
    """The keys of a training that starts from random weights, as lgvi_mini.yaml has them."""
    values: dict[str, Any] = yaml.safe_load((CONFIGS / "lgvi_mini.yaml").read_text("utf-8"))
    unet, text = values["unet"], values["text_encoder"]
    unet |= {
        "block_out_channels": list(size.widths),
        "attention_head_dim": list(size.heads),
        "cross_attention_dim": size.text_width,
    }
    text |= {
        "hidden_size": size.text_width,
        "intermediate_size": 4 * size.text_width,
        "projection_dim": size.text_width,
    }
    return {
        "start_from": None,
        "tokenizer": str(COMMITTED / "tokenizer"),
        "unet": unet,
        "text_encoder": text,
        "scheduler": values["scheduler"] | {"timestep_spacing": "trailing"},
    }


def share_workers(cores: int) -> tuple[int, int]:
    """Share the cores beside the training itself: processes that draw, and that load batches."""
    drawers = max(1, (cores - 1) * 6 // 10)
    return drawers, max(1, cores - 1 - drawers)


def evaluation_config(job: Job, clips: int) -> dict[str, Any]:
    """The configuration of the evaluation, a variant of lgvi_mini_collages_eval.yaml."""
    text = (CONFIGS / "lgvi_mini_collages_eval.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    height, width = SIZES[job.size].frames[0]
    values["output"] = str(job.output / "evaluation")
    values["methods"][0]["model"] = str(job.model)
    values["data"]["source"] |= {
        "folder": str(job.collage),
        "size": [height, width],
        "count": clips,
    }
    return values | {"workers": max(1, job.workers)}


def make(job: Job, deadline: float, clips: int) -> None:
    """Do what is left of the job until `deadline` (of time.monotonic), and export.

    Raises LGVIError if the job cannot be done, and CalledProcessError if a part of it fails.
    """
    check(job)
    job.output.mkdir(parents=True, exist_ok=True)
    if not (job.vae / "config.json").is_file():
        make_autoencoder(job)
    if not job.config.is_file():
        write_text(job.config, yaml.safe_dump(training_config(job), sort_keys=False))
    finished = train(job, deadline)
    run("train.export", "--run", job.output / "run", "--output", job.model, "--license", LICENCE)
    if finished:
        evaluation = job.output / "evaluate.yaml"
        write_text(evaluation, yaml.safe_dump(evaluation_config(job, clips), sort_keys=False))
        run("train.evaluate", "--config", evaluation, "--workers", max(1, job.workers))
    else:
        logger.info("not finished: %s holds what there is so far; call this again", job.model)


def make_autoencoder(job: Job) -> None:
    """Train the autoencoder within its share of the time."""
    gpu = job.device == "cuda"
    partial = job.vae.with_name("vae.partial")
    options: list[object] = ["--minutes", job.minutes * AUTOENCODER_SHARE, "--output", partial]
    options += ["--collage", job.collage, "--workers", job.workers if gpu else 0]
    most = 9000 if gpu else 2400
    options += ["--batch", 64 if gpu else 8]
    options += ["--frames", round(min(most, FRAMES_PER_MINUTE * job.minutes))]
    if job.start == "committed":
        options += ["--start-from", COMMITTED / "vae", "--learning-rate", 1e-4]
    run("train.train_autoencoder", *options, device=job.device)
    partial.rename(job.vae)


def train(job: Job, deadline: float) -> bool:
    """Train until the job's time is over or `deadline` is reached; returns whether it is over."""
    drawing = None
    drawers, _ = share_workers(job.workers) if job.device == "cuda" else (0, 0)
    if drawers:
        options = ["--config", job.config, "--shards", ENDLESS, "--workers", drawers]
        drawing = start("train.collage_cache", *options, device=job.device)
    training = start("train.train_lgvi", "--config", job.config, device=job.device)
    try:
        code = training.wait(max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    finally:
        for process in (training, drawing):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait()
    if code:
        raise subprocess.CalledProcessError(code, "train.train_lgvi")
    return True


def start(module: str, *arguments: object, device: str) -> subprocess.Popen[bytes]:
    """Start one of the scripts."""
    words = [str(a) for a in arguments]
    logger.info("$ python -m %s %s", module, " ".join(words))
    hidden = {} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **hidden}
    return subprocess.Popen([sys.executable, "-m", module, *words], env=environment)


def run(module: str, *arguments: object, device: str = "cpu") -> None:
    """Run one of the scripts. Raises CalledProcessError if it fails."""
    code = start(module, *arguments, device=device).wait()
    if code:
        raise subprocess.CalledProcessError(code, module)


def main() -> None:
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--collage", type=Path, required=True, help="folder of fetch or pack")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--minutes", type=float, default=25, help="time for all of it")
    parser.add_argument("--stop-after", type=float, help="minutes after which this call ends")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--start", choices=("committed", "nothing"), default="committed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="CPU cores to use")
    parser.add_argument("--clips", type=int, default=200, help="clips of the evaluation")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    limit = float("inf") if args.stop_after is None else args.stop_after
    job = Job(
        args.collage.resolve(),
        args.output.resolve(),
        args.minutes,
        args.device,
        args.size,
        args.start,
        args.workers,
    )
    try:
        make(job, began + 60 * limit, args.clips)
    except (LGVIError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
