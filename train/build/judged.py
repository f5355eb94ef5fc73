"""How good the automatic order of candidates is, on clips whose truth is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgvi_core.background.carry import overlap

from .candidates.stage import read_candidate
from .config import BuildConfig
from .examples import truth_of
from .masks.stage import MASKS as MASK_FILES
from .people.decisions import items
from .pictures import grown, read_frames, read_ids
from .sources.take import FRAMES
from .stages import CANDIDATES, MASKS, SOURCES
from .state import State


@dataclass(frozen=True)
class Judged:
    """One clip: PSNR in dB inside the widest hole of each width, and the width ordered first."""

    clip: str
    psnr: dict[int, float]
    first: int
    overlap: float
    """Mean intersection over union of the propagated masks with the true ones."""

    @property
    def loss(self) -> float:
        """By how many dB the first of the order is below the best."""
        return max(self.psnr.values()) - self.psnr[self.first]


def judge_order(config: BuildConfig, examples: Path) -> list[Judged]:
    """Compare every drawn clip's candidates with the truth in the folder of `examples`."""
    state = State(config.state)
    found = []
    for item in items(config):
        truth = truth_of(examples, item.clip["clip"])
        if truth is None:
            continue
        frames = read_frames(state.folder(SOURCES, item.key) / FRAMES)
        clean, masks = truth[0][: len(frames)], truth[1][: len(frames)]
        if clean.shape != frames.shape:
            continue
        ids = read_ids(state.folder(MASKS, item.key) / MASK_FILES)
        mask = ids == item.object["id"]
        where = grown(mask, max(config.candidates.grow)) | masks
        psnr = {
            c["grow"]: _psnr(
                read_candidate(
                    state.folder(CANDIDATES, item.key),
                    item.object["id"],
                    c["grow"],
                    item.object["box"],
                    frames,
                )[where],
                clean[where],
            )
            for c in item.object["candidates"]
        }
        first = item.object["candidates"][0]["grow"]
        met = [overlap(one, other) for one, other in zip(mask, masks, strict=True)]
        found.append(Judged(item.clip["clip"], psnr, first, float(np.mean(met))))
    return found


def report(found: list[Judged]) -> str:
    """The figures as text."""
    lines = [
        f"{j.clip}: mask {j.overlap:.2f}, first d = {j.first}, {j.loss:.2f} dB below the best; "
        + ", ".join(f"{d}: {v:.1f}" for d, v in sorted(j.psnr.items()))
        for j in found
    ]
    good = sum(j.loss <= 1.0 for j in found)
    return "\n".join([*lines, f"within 1 dB of the best: {good} of {len(found)}"])


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.square(one.astype(np.float32) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))
