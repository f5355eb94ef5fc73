"""JSON and Markdown of a benchmark."""

import os
import platform
from dataclasses import asdict
from statistics import median
from typing import Any

import torch

from .measure import Figures

HEADS = ("variant", "passes", "CPU time", "wall time", "peak", "difference")
NOTE = (
    "Times are medians of {rounds} rounds in turns within one run, as ratios to the first line of "
    "each table, with the least and the greatest. Peak: what the GPU's allocator held beyond the "
    "weights. Difference: the greatest to the first line's latents, of their greatest value, where "
    "the settings are the same."
)


def machine() -> dict[str, Any]:
    """Describe the machine."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "system": platform.platform(),
        "torch": torch.__version__,
    }


def as_json(tables: dict[str, list[Figures]], rounds: int) -> dict[str, Any]:
    """Content of the JSON file."""
    return {
        "machine": machine(),
        "rounds": rounds,
        "tables": {title: [asdict(f) for f in found] for title, found in tables.items()},
    }


def markdown(tables: dict[str, list[Figures]], rounds: int) -> str:
    """Content of the Markdown file."""
    here = ", ".join(f"{key}: {value}" for key, value in machine().items() if value)
    parts = ["# Benchmark", here, NOTE.format(rounds=rounds)]
    for title, found in tables.items():
        lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
        lines += [_line(figures, found[0]) for figures in found]
        parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _line(figures: Figures, first: Figures) -> str:
    if figures.error is not None or not figures.wall:
        why = figures.error or "no time left for it"
        return f"| {figures.name} | {why} |" + " |" * (len(HEADS) - 2)
    peak = "" if figures.peak_mib is None else f"{figures.peak_mib:.0f} MiB"
    difference = "" if figures.difference is None else f"{figures.difference:.1e}"
    cells = [figures.name, str(figures.passes), _ratio(figures.cpu, first.cpu)]
    return "| " + " | ".join([*cells, _ratio(figures.wall, first.wall), peak, difference]) + " |"


def _ratio(own: list[float], first: list[float]) -> str:
    if not first:
        return f"{median(own):.3g} s"
    unit = median(first)
    spread = f"{min(own) / unit:.3g} to {max(own) / unit:.3g}"
    return f"{median(own) / unit:.3g} ({spread})"
