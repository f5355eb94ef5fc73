"""Measurements of variants in turns within one run, so that a busy machine disturbs all alike."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from lgvi_core.unet.unet import InflatedUNet


@dataclass
class Variant:
    """One way to do the same work."""

    name: str
    run: Callable[[], Tensor]
    """Does the work and returns the latents [b, 4, f, h, w]."""
    unet: InflatedUNet
    """Network whose passes are counted."""
    same_numbers: bool = True
    """Whether its result should be that of the first variant."""


@dataclass
class Figures:
    """What was measured of a variant."""

    name: str
    wall: list[float] = field(default_factory=list)
    """Seconds of each round."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of each round, of all threads."""
    passes: int = 0
    """Branches that the U-Net evaluated, one for each clip and step."""
    peak_mib: float | None = None
    """Peak of the GPU's allocator beyond what was allocated before; None on a CPU."""
    difference: float | None = None
    """Greatest difference to the first variant's result, of that one's greatest value."""
    error: str | None = None
    """Why it could not run."""

    def ratio_to(self, other: "Figures", kind: str) -> float | None:
        """Median of this variant's `kind` (wall or cpu) over the other's; None without figures."""
        own, reference = getattr(self, kind), getattr(other, kind)
        return median(own) / median(reference) if own and reference else None


def measure(variants: Sequence[Variant], rounds: int, seconds: float = math.inf) -> list[Figures]:
    """Run all variants `rounds` times in turns, after one run each to warm up.

    A variant that fails is left out, and its figures say why. No round is begun after `seconds`.
    """
    figures = [Figures(v.name) for v in variants]
    reference: Tensor | None = None
    end = time.perf_counter() + seconds
    for turn in range(rounds + 1):
        for variant, found in zip(variants, figures, strict=True):
            if found.error is not None or time.perf_counter() > end:
                continue
            try:
                result = _timed(variant, found, counts=turn > 0)
            except Exception as error:  # a kind of card or package that cannot do it is a finding
                found.error = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
                continue
            if reference is None:
                reference = result
            if variant.same_numbers:
                scale = float(reference.abs().max())
                found.difference = float((result - reference).abs().max()) / scale
    return figures


def _timed(variant: Variant, found: Figures, counts: bool) -> Tensor:
    on_gpu = next(variant.unet.parameters()).device.type == "cuda"
    passes = 0
    denoise, own = variant.unet.denoise, vars(variant.unet).get("denoise")

    def counted(z_t: Tensor, *rest: object) -> object:
        nonlocal passes
        passes += len(z_t)
        return denoise(z_t, *rest)  # type: ignore[arg-type]

    before = 0
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    variant.unet.denoise = counted  # type: ignore[assignment, method-assign]
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        result = variant.run().detach().float().cpu()
    finally:
        del variant.unet.denoise
        if own is not None:  # a compiled one
            variant.unet.denoise = own  # type: ignore[method-assign]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found.passes = passes
    if on_gpu:
        found.peak_mib = (torch.cuda.max_memory_allocated() - before) / 2**20
    if counts:
        found.wall.append(wall)
        found.cpu.append(cpu)
    return result
