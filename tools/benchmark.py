"""Measure speed and memory against the released loop: one command, ratios within one run.

    COMFYUI_PATH=... python -m tools.benchmark --output benchmark
    COMFYUI_PATH=... python -m tools.benchmark --gpu --output benchmark   # where a card is

The first measures the bundled model with its weights and the official size with random ones, at
sizes that a CPU can do, and the memory of long clips. The second measures the real case, 24 frames
of 512 x 320 pixels, in every dtype, with each attention and compiled, within ten minutes. Either
writes <output>.json and <output>.md.
"""

import argparse
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lgvi_core.checkpoint.own_settings import OwnSettings

from .benchmarks.cases import (
    ATTENTIONS,
    RELEASED,
    Case,
    core_variants,
    mini,
    node_variants,
    official,
)
from .benchmarks.measure import Figures, Variant, measure
from .benchmarks.memory import WINDOW, peak_memory
from .benchmarks.report import as_json, markdown
from .comfyui.pack import load_pack

Build = Callable[[], list[Variant]]
GPU_SHAPE = (24, 40, 64)
"""24 frames of 512 x 320 pixels."""
CPU_SHAPE = (8, 10, 16)
"""8 frames of 128 x 80 pixels."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LONG_SECONDS, SHORT_SECONDS = 200.0, 40.0
"""After these no round of a table begins: all of them take ten minutes at most."""
TEN = OwnSettings(steps=10, scheduler="normal")
FEW = OwnSettings(steps=2, scheduler="normal")
"""Two steps of the released three passes: on a CPU every step takes as long as the others."""


def on_cpu(rounds: int) -> dict[str, list[Figures]]:
    """The tables that a CPU can make."""
    small = mini()
    today = OwnSettings(steps=10, text_scale=2.0, video_scale=1.0, scheduler="normal")
    large = official(CPU_SHAPE)
    return {
        "lgvi-mini, 8 frames of 160 x 96, against 10 steps of the released loop": measure(
            [*core_variants(small, TEN), *node_variants(small, TEN)], rounds
        ),
        "lgvi-mini, 8 frames of 160 x 96, against 10 guided steps of two branches": measure(
            core_variants(small, today)[1:], rounds
        ),
        "Official size, random weights, 8 frames of 128 x 80, two steps": measure(
            core_variants(large, FEW)[:2] + node_variants(large, FEW)[:1], rounds
        ),
    }


def gpu_plan(case: Case, device: str = "cuda") -> dict[str, tuple[float, Build]]:
    """Seconds and variants of every table of the real case."""
    title = "Official size, 24 frames of 512 x 320"

    def core(
        reference: OwnSettings, dtype: torch.dtype, count: int, attention: str = "fused attention"
    ) -> Build:
        return lambda: core_variants(case, reference, dtype, device, attention)[:count]

    def compiled() -> list[Variant]:
        plain = core_variants(case, FEW, torch.float16, device)[1]
        faster = core_variants(case, FEW, torch.float16, device, compiled=True)[1]
        faster.name = "ours, torch.compile"
        return [plain, faster]

    plan: dict[str, tuple[float, Build]] = {
        f"{title}, fp16, 50 steps": (LONG_SECONDS, core(RELEASED, torch.float16, 3))
    }
    for name, dtype in DTYPES.items():
        plan[f"{title}, {name}, two steps"] = (SHORT_SECONDS, core(FEW, dtype, 2))
    for attention in ATTENTIONS:
        build = core(FEW, torch.float16, 2, attention)
        plan[f"{title}, fp16, two steps, {attention}"] = (SHORT_SECONDS, build)
    plan[f"{title}, fp16, two steps, compiled"] = (SHORT_SECONDS, compiled)
    for dtype_name in ("fp16", "bf16", "fp8_e4m3fn"):
        nodes = partial(node_variants, case, FEW, dtype_name)
        plan[f"{title}, two steps in ComfyUI, {dtype_name}"] = (SHORT_SECONDS, nodes)
    return plan


def run_plan(plan: dict[str, tuple[float, Build]], rounds: int) -> dict[str, list[Figures]]:
    """Make the tables; what this card or PyTorch cannot do says so in its place."""
    tables: dict[str, list[Figures]] = {}
    for title, (seconds, build) in plan.items():
        try:
            tables[title] = measure(build(), rounds, seconds)
        except Exception as error:  # such as a network that does not fit into the card's memory
            tables[title] = [Figures("all", error=f"{type(error).__name__}: {error}"[:200])]
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gpu", action="store_true", help="the real case, on a graphics card")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--lowvram", action="store_true", help="ComfyUI as with --lowvram")
    parser.add_argument("--memory", action="store_true", help="also the memory of long clips")
    parser.add_argument("--output", type=Path, default=Path("benchmark"), help="without suffix")
    args = parser.parse_args()
    if args.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch finds no CUDA device here")
    load_pack(Path(os.environ["COMFYUI_PATH"]), cpu=not args.gpu, lowvram=args.lowvram)
    tables = (
        run_plan(gpu_plan(official(GPU_SHAPE)), args.rounds) if args.gpu else on_cpu(args.rounds)
    )
    text = markdown(tables, args.rounds)
    content = as_json(tables, args.rounds)
    if args.memory:
        one, ten = peak_memory(WINDOW), peak_memory(10 * WINDOW)
        text += f"\nPeak of a process with {WINDOW} and {10 * WINDOW} frames, in windows: "
        text += f"{one:.0f} and {ten:.0f} MB.\n"
        content["peak_mb"] = {WINDOW: one, 10 * WINDOW: ten}
    args.output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    args.output.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
