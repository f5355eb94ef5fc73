"""How far a build is, what it cost, what was left out, and whether people agree."""

from collections import Counter

from .config import BuildConfig
from .people.agreement import agreement
from .people.decisions import decide, items, standing_choices
from .runner import costs
from .stages import STAGES
from .state import State


def status(config: BuildConfig) -> str:
    """The report as text."""
    state = State(config.state)
    lines = [f"{'stage':<12}{'clips':>8}{'left out':>10}{'CPU hours':>11}{'GB':>9}"]
    for stage in STAGES:
        broken = [result.problem for result in state.results(stage) if result.problem]
        cost = costs(config, stage)
        hours, gigabytes = cost["cpu_seconds"] / 3600, cost["bytes"] / 1e9
        clips = cost["clips"]
        lines.append(f"{stage:<12}{clips:>8}{len(broken):>10}{hours:>11.3f}{gigabytes:>9.3f}")
    choices = standing_choices(config)
    decisions = decide(config, items(config), choices)
    by = Counter(d.by or "nobody yet" for d in decisions)
    lines.append("decided by " + (", ".join(f"{k}: {n}" for k, n in by.most_common()) or "nobody"))
    lines.append(str(agreement(choices)))
    return "\n".join(lines)
