"""A training run that is small enough for tests."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
from tools.paths import ROOT

WEIGHTS = BUNDLED_MODEL
OWN_PARTS: dict[str, Any] = dict.fromkeys(
    ("unet", "text_encoder", "scheduler", "vae", "tokenizer"), ...
)
"""Changes that leave out the parts that a run takes from `start_from`."""
SOURCE = {"kind": "generated", "split": "train", "size": [32, 48], "count": 64}


def tiny_values(output: Path, **changes: Any) -> dict[str, Any]:
    """A training configuration of 6 steps; `changes` replace keys, and are merged into sections."""
    values: dict[str, Any] = {
        "output": str(output),
        "vae": str(WEIGHTS / "vae"),
        "tokenizer": str(WEIGHTS / "tokenizer"),
        "max_steps": 6,
        "threads": 1,
        "cpu": True,
        "log_every": 1,
        "checkpoint_every": 2,
        "data": {
            "videos": [SOURCE],
            "images": [{**SOURCE, "frames": 1}],
            "size": [32, 48],
            "batch_images": 4,
            "batch_videos": 2,
            "video_frames": [2],
            "video_share": 0.5,
        },
        "optimizer": {
            "unet": {"peak": 1e-3, "schedule": "linear"},
            "text_encoder": {"peak": 1e-3},
            "warmup_steps": 2,
            "ema_decay": 0.9,
        },
        "unet": {
            "block_out_channels": [16, 16],
            "down_block_types": ["CrossAttnDownBlock", "DownBlock"],
            "up_block_types": ["UpBlock", "CrossAttnUpBlock"],
            "layers_per_block": 1,
            "cross_attention_dim": 16,
            "attention_head_dim": 2,
            "norm_num_groups": 8,
            "mask_decoder_channels": 16,
            "mask_decoder_groups": 8,
        },
        "text_encoder": {
            "vocab_size": 49408,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "eos_token_id": 49407,
            "pad_token_id": 49407,
        },
        "scheduler": {
            "beta_schedule": "scaled_linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "prediction_type": "v_prediction",
            "clip_sample": False,
            "set_alpha_to_one": False,
            "steps_offset": 1,
        },
    }
    for key, value in changes.items():
        merged = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = {**values[key], **value} if merged else value
    return {key: value for key, value in values.items() if value is not ...}


def write_config(path: Path, output: Path, **changes: Any) -> Path:
    """Write the configuration to a file for the command line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(tiny_values(output, **changes)))
    return path


def launch(script: list[str], processes: int, **environment: str) -> None:
    """Run a training script in several local processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", str(processes), *script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
