"""What removes an object from a clip: our fill, a command, or a workflow of a ComfyUI server."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lgvi_core.background import BackgroundSettings, fill_background

from ...data.sample import BrokenSample
from ..config import BackgroundRemover, CommandRemover, Remover
from ..errors import BrokenClip
from ..pictures import read_frames, write_frame
from .comfy import remove_by_comfyui


@dataclass(frozen=True)
class Removed:
    """Frames without the object, uint8 RGB [f, h, w, 3], and what no frame showed, bool [f, h, w].

    Outside the hole the frames are the source. `unseen` is None where the remover cannot tell.
    """

    frames: np.ndarray
    unseen: np.ndarray | None = None


Remove = Callable[[np.ndarray, np.ndarray], Removed]
"""From frames uint8 RGB [f, h, w, 3] and a hole bool [f, h, w] to frames without what is in it."""


def open_remover(config: Remover) -> Remove:
    """The remover that a configuration names."""
    if config.kind == "background":
        return lambda frames, hole: _by_background(config, frames, hole)
    if config.kind == "command":
        return lambda frames, hole: _composed(_by_command(config, frames, hole), frames, hole)
    return lambda frames, hole: _composed(remove_by_comfyui(config, frames, hole), frames, hole)


def _by_background(config: BackgroundRemover, frames: np.ndarray, hole: np.ndarray) -> Removed:
    filled = fill_background(
        torch.from_numpy(frames),
        torch.from_numpy(hole.astype(np.float32)),
        settings=BackgroundSettings(reach=config.reach),
    )
    return Removed(filled.frames.numpy(), filled.unseen.numpy() > 0.5)


def _composed(result: np.ndarray, frames: np.ndarray, hole: np.ndarray) -> Removed:
    """A remover's frames inside the hole, the source everywhere else."""
    if result.shape != frames.shape:
        raise BrokenClip(
            f"the remover gave {_shape(result)}, the clip is {_shape(frames)} (frames, height, "
            "width)"
        )
    return Removed(np.where(hole[..., None], result, frames))


def _by_command(config: CommandRemover, frames: np.ndarray, hole: np.ndarray) -> np.ndarray:
    folder = Path(tempfile.mkdtemp(prefix="lgvi-remover-"))
    try:
        for i, (frame, mask) in enumerate(zip(frames, hole, strict=True)):
            write_frame(folder / "frames" / f"{i:05d}.png", frame, 100)
            write_frame(folder / "masks" / f"{i:05d}.png", mask.astype(np.uint8) * 255, 100)
        (folder / "result").mkdir()
        places = {name: str(folder / name) for name in ("frames", "masks", "result")}
        command = [part.format(**places) for part in config.command]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60 * config.minutes, check=False
            )
        except subprocess.TimeoutExpired:
            raise BrokenClip(f"the remover ran for more than {config.minutes:g} minutes") from None
        except OSError as error:
            raise BrokenClip(f"the remover {command[0]} cannot be started: {error}") from None
        if done.returncode:
            told = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise BrokenClip(f"the remover ended with code {done.returncode}: {told[0]}")
        try:
            return read_frames(folder / "result")
        except (BrokenSample, ValueError) as error:
            raise BrokenClip(f"the remover left no frames that can be read: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shape(frames: np.ndarray) -> str:
    return " x ".join(map(str, frames.shape[:3]))
