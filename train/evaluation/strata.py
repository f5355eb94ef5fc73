"""Figures of the groups ("strata") that clips count for, and of pairs of sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .config import EvaluateConfig
from .names import MEASURES
from .run import Record
from .statistics import Statistic, summarize_measures
from .tables import figure, heading, interval, table

ALONE = (
    "right", "iou", "visible", "clean", "damage", "damage_composited", "shows", "absent", "changed",
    "untouched", "loss", "named", "silent", "answered",
)  # fmt: skip
BACKGROUND = (
    "visible_background", "clean_background", "damage_background", "shows_background",
    "changed_background", "untouched_background", "psnr_gain_background",
)  # fmt: skip


@dataclass(frozen=True)
class Stratum:
    """A method's figures over the clips of one stratum."""

    name: str
    method: str
    clips: int
    measures: Mapping[str, Statistic]


def with_losses(records: Sequence[Record]) -> list[Record]:
    """The records, where those with a partner receive the measure "loss".

    The partner is the same method's record of the clip that `pair_of` names; a record whose partner
    was not evaluated receives none.
    """
    right = {(r.method, r.name): r.values.get("right") for r in records}
    found = []
    for record in records:
        canonical, own = right.get((record.method, record.pair_of)), record.values.get("right")
        if record.pair_of and canonical and own:
            loss = [canonical[0] - own[0]]
            record = replace(record, values={**record.values, "loss": loss})
        found.append(record)
    return found


def summarize_strata(records: Sequence[Record], methods: Iterable[str]) -> list[Stratum]:
    """Figures by stratum, in the order in which the clips name them, and by method."""
    whole = with_losses([r for r in records if r.broken is None])
    names = dict.fromkeys(name for r in sorted(whole, key=lambda r: r.clip) for name in r.strata)
    rows = []
    for name in names:
        for method in methods:
            own = [r for r in whole if r.method == method and name in r.strata]
            if own:
                measures = summarize_measures(r.values for r in own)
                rows.append(Stratum(name, method, len(own), measures))
    return rows


def strata_markdown(config: EvaluateConfig, rows: Sequence[Stratum]) -> list[str]:
    """Parts of results.md: one table for each stratum, and the bars that were set for strata."""
    parts = ["## By stratum"] if rows else []
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name]
        parts.append(f"### {name} ({max(row.clips for row in own)} clips)")
        for columns in (ALONE, BACKGROUND):
            used = [c for c in columns if any(c in row.measures for row in own)]
            if used:
                body = [[row.method, *(figure(row.measures, c) for c in used)] for row in own]
                parts.append(table(["Method", *(heading(c) for c in used)], body))
    if bars := check_strata(config, rows):
        body = [
            [b["stratum"], b["method"], MEASURES[b["measure"]].title, b["bar"], b["figure"],
             b["interval"], "met" if b["met"] else "not met"]
            for b in bars
        ]  # fmt: skip
        head = ["Stratum", "Method", "Measure", "Bar", "", "95 %", ""]
        parts += ["## Bars of strata", table(head, body)]
    return parts


def check_strata(config: EvaluateConfig, rows: Sequence[Stratum]) -> list[dict[str, Any]]:
    """Every bar of a stratum with each method's figure, and whether it is met."""
    found = []
    for row in rows:
        for name, bar in config.bars_of_strata.get(row.name, {}).items():
            if name in row.measures:
                value = row.measures[name].mean
                found.append(
                    {
                        "stratum": row.name,
                        "method": row.method,
                        "measure": name,
                        "bar": str(bar),
                        "value": value,
                        "figure": figure(row.measures, name),
                        "interval": interval(row.measures, name),
                        "met": bar.met(value),
                    }
                )
    return found


def strata_json(config: EvaluateConfig, rows: Sequence[Stratum]) -> dict[str, Any]:
    """The figures of strata for results.json: by stratum, then by method; and their bars."""
    found: dict[str, Any] = {}
    for row in rows:
        measures = {name: asdict(value) for name, value in row.measures.items()}
        found.setdefault(row.name, {})[row.method] = {"clips": row.clips, "measures": measures}
    return {"strata": found, "bars_of_strata": check_strata(config, rows)}
