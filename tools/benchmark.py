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
from pathlib import Path

import torch

from lgvi_core.checkpoint.own_settings import OwnSettings

from .benchmarks.cases import ATTENTIONS, RELEASED, core_variants, mini, node_variants, official
from .benchmarks.measure import Figures, measure
from .benchmarks.memory import WINDOW, peak_memory
from .benchmarks.report import as_json, markdown
from .comfyui.pack import load_pack

GPU_SHAPE = (24, 40, 64)
"""24 frames of 512 x 320 pixels."""
CPU_SHAPE = (8, 10, 16)
"""8 frames of 128 x 80 pixels."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
GPU_SECONDS = 540.0
FEW = OwnSettings(steps=2, scheduler="normal")
"""Two steps of the released three passes: on a CPU every step takes as long as the others."""


def on_cpu(rounds: int) -> dict[str, list[Figures]]:
    """The tables that a CPU can make."""
    small = mini()
    today = OwnSettings(steps=10, text_scale=2.0, video_scale=1.0, scheduler="normal")
    large = official(CPU_SHAPE)
    return {
        "lgvi-mini, 8 frames of 160 x 96, against 50 steps of the released loop": measure(
            [*core_variants(small, RELEASED), *node_variants(small, RELEASED)], rounds
        ),
        "lgvi-mini, 8 frames of 160 x 96, against 10 guided steps of two branches": measure(
            core_variants(small, today)[1:], rounds
        ),
        "Official size, random weights, 8 frames of 128 x 80, two steps": measure(
            core_variants(large, FEW)[:2] + node_variants(large, FEW)[:1], rounds
        ),
    }


def on_gpu(rounds: int) -> dict[str, list[Figures]]:
    """The tables of the real case; a variant that this card or PyTorch cannot do says so."""
    case = official(GPU_SHAPE)
    per_table = GPU_SECONDS / (len(DTYPES) + len(ATTENTIONS) + 2)
    tables = {}
    for name, dtype in DTYPES.items():
        variants = core_variants(case, RELEASED, dtype, "cuda")
        tables[f"Official size, 24 frames of 512 x 320, {name}"] = measure(
            variants, rounds, per_table
        )
        del variants
        torch.cuda.empty_cache()
    for attention in ATTENTIONS:
        variants = core_variants(case, FEW, torch.float16, "cuda", attention)[:2]
        tables[f"fp16, two steps, {attention}"] = measure(variants, rounds, per_table)
    variants = core_variants(case, FEW, torch.float16, "cuda")[1:2]
    variants += core_variants(case, FEW, torch.float16, "cuda", compiled=True)[1:2]
    variants[1].name = "ours, torch.compile"
    tables["fp16, two steps, compiled"] = measure(variants, rounds, per_table)
    nodes = [node_variants(case, FEW, dtype)[0] for dtype in ("fp16", "bf16", "fp8_e4m3fn")]
    tables["ComfyUI, two steps, by dtype of the weights"] = measure(nodes, rounds, per_table)
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
    tables = on_gpu(args.rounds) if args.gpu else on_cpu(args.rounds)
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
