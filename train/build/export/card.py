"""The data card: what the data set is, how it was made, and what is known against it."""

from collections import Counter
from typing import Any

from ..config import BuildConfig
from ..people.agreement import Agreement
from ..people.decisions import Decision
from .plots import FILE
from .statistics import table


def card(
    config: BuildConfig, found: dict[str, Any], decisions: list[Decision], agreed: Agreement
) -> str:
    """The card as Markdown."""
    masks, candidates = config.masks, config.candidates
    left_out = Counter(decision.reason for decision in decisions if decision.grow is None)
    lines = [
        f"# {config.export.title}",
        "",
        "Videos, an object's mask in each frame, the same videos without it, and sentences that "
        "ask for its removal. Layout: that of ROVI (Remove Objects from Videos by Instructions, "
        "CVPR 2024).",
        "",
        f"License: {config.export.license or 'not stated; that of the sources applies'}.",
        "",
        "## What it holds",
        "",
        table(found),
        "",
        f"![statistics]({FILE})",
        "",
        "## How it was made",
        "",
        "- Sources: "
        + "; ".join(f"`{s.name}` ({s.kind.replace('_', ' ')})" for s in config.sources)
        + ".",
        f"- Masks were carried to all frames by {_engine(masks.engine)}"
        + (f", found by words with {_engine(masks.words)}" if masks.words else "")
        + f". Objects over {masks.max_area:.0%} of a frame were dropped.",
        f"- Each object was removed with its mask grown by {', '.join(map(str, candidates.grow))} "
        f"pixels, by {_remover(candidates.remover.kind)}.",
        f"- {config.selection.annotators} people saw each item; {agreed}."
        if any(d.by == "people" for d in decisions)
        else "- No person chose: the best candidate by figures was taken.",
        _talks(config, found),
        "",
        "## What was left out",
        "",
        *([f"- {reason}: {count}" for reason, count in left_out.most_common()] or ["- nothing"]),
        "",
        "## Limits",
        "",
        "- A target is what a method put in the object's place, not what a camera saw. Shadows and "
        "reflections stay where the mask does not cover them.",
        "- `made.unseen` in the split files is the share of the place that no other frame shows, "
        "and that had to be invented; `made.leftover` what the mask may have missed, of 255.",
        "",
    ]
    return "\n".join(lines)


def _engine(name: str | None) -> str:
    known = {"flow": "optical flow", "sam2": "SAM 2", "sam3": "SAM 3", "lgvi": "LGVI"}
    return known[name or ""]


def _remover(kind: str) -> str:
    return {
        "background": "the background of other frames, painted where none shows it",
        "command": "a program of its own",
        "comfyui": "a workflow of ComfyUI",
    }[kind]


def _talks(config: BuildConfig, found: dict[str, Any]) -> str:
    if config.talks is None or not found["requests"]:
        return "- There are no conversations."
    engine = config.talks.describe
    named = engine.model if engine.kind == "server" else engine.folder.name
    return f"- Descriptions, requests and replies were written by language models ({named})."
