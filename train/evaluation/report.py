"""Reports of an evaluation: results.json, and tables in Markdown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..engine.files import write_text
from .config import BASELINES, EvaluateConfig
from .names import MEASURES
from .run import Record, stack_features
from .sheet import write_sheet
from .statistics import Statistic, summarize_measures
from .strata import strata_json, strata_markdown, summarize_strata
from .tables import DASH, Statistics, figure, heading, interval, table
from .vfid import frechet_distance

PAPER = ("psnr", "ssim", "vfid", "ewarp")
SPLIT = tuple(
    f"{name}_{area}" for name in ("psnr", "ssim", "ewarp") for area in ("inside", "outside")
)
COMPOSITED = (
    "psnr_composited",
    "psnr_inside_composited",
    "psnr_gain",
    "ssim_composited",
    "ssim_inside_composited",
    "ewarp_composited",
    "ewarp_inside_composited",
)
OBJECTS = (
    "right",
    "visible",
    "clean",
    "twins",
    "two_objects",
    "absent",
    "damage",
    "damage_composited",
    "iou",
)
BACKGROUND = (
    "visible_background",
    "clean_background",
    "damage_background",
    "psnr_background",
    "psnr_inside_background",
    "psnr_gain_background",
)
CHAT = ("named", "well_formed", "silent")
STRATA = ("shows", "changed", "untouched", "loss", "answered")
BY_KIND = ("right", "visible", "clean", "absent", "damage", "damage_composited", "iou", "psnr_gain")


@dataclass(frozen=True)
class MethodRow:
    """A method's figures: over all clips (`measures`) and by kind of sentence (`kinds`).

    `counts` are the numbers of clips of each kind.
    """

    name: str
    baseline: bool
    measures: Statistics
    kinds: Mapping[str, Statistics]
    counts: Mapping[str, int]


def summarize_rows(config: EvaluateConfig, records: Sequence[Record]) -> list[MethodRow]:
    """Summarize records in one row per method, in the configuration's order."""
    rows = []
    for method in config.all_methods:
        own = [r for r in records if r.method == method.name and r.broken is None]
        measures = summarize_measures(r.values for r in own)
        features = stack_features(own)
        if features is not None and len(own) > 1:
            distance = frechet_distance(*features)
            measures["vfid"] = Statistic(distance, None, None, len(own))
        kinds = sorted({r.kind for r in own if r.kind})
        by_kind = {k: [r for r in own if r.kind == k] for k in kinds}
        rows.append(
            MethodRow(
                method.name,
                method.kind in BASELINES,
                measures,
                {k: summarize_measures(r.values for r in found) for k, found in by_kind.items()},
                {k: len(found) for k, found in by_kind.items()},
            )
        )
    return rows


def write_report(config: EvaluateConfig, records: Sequence[Record]) -> str:
    """Write results.json, results.md and contact_sheet.png; return the Markdown."""
    rows = summarize_rows(config, records)
    strata = summarize_strata(records, [row.name for row in rows if not row.baseline])
    text = markdown(config, rows, broken_clips(records), strata_markdown(config, strata))
    write_text(config.output / "results.md", text)
    content = json.dumps(as_json(config, rows, records) | strata_json(config, strata), indent=1)
    write_text(config.output / "results.json", content)
    baselines = {row.name for row in rows if row.baseline}
    shown = sorted(
        (r for r in records if r.row is not None and r.method not in baselines),
        key=lambda r: r.clip,
    )
    if shown:
        rows_of_sheet = [config.output / str(r.row) for r in shown]
        write_sheet(rows_of_sheet, config.output / "contact_sheet.png")
    return text


def broken_clips(records: Iterable[Record]) -> dict[int, str]:
    """Reasons why clips could not be read, by number of the clip."""
    return {r.clip: r.broken for r in records if r.broken is not None}


def check_bars(
    config: EvaluateConfig, row: MethodRow, rows: Sequence[MethodRow]
) -> dict[str, dict[str, Any]]:
    """Bars of a row by measure, with the method's mean (`value`) and whether it is met (`met`).

    Both are None where the measure does not apply; `met` also where the other method's does not.
    """
    means = {(r.name, name): found.mean for r in rows for name, found in r.measures.items()}
    found = {}
    for name, bar in config.bars_for(row.name).items():
        value = means.get((row.name, name))
        other: float | None = 0.0
        if bar.above is not None:
            other = means.get((bar.above, name))
        met = None if value is None or other is None else bar.met(value, other)
        found[name] = {**bar.model_dump(exclude_none=True), "value": value, "met": met}
    return found


def as_json(config: EvaluateConfig, rows: Sequence[MethodRow], records: Sequence[Record]) -> Any:
    """Content of results.json: the figures of the tables, and the values of every clip."""
    methods = {}
    for row in rows:
        own = [r for r in records if r.method == row.name and r.broken is None]
        methods[row.name] = {
            "baseline": row.baseline,
            "measures": {name: asdict(found) for name, found in row.measures.items()},
            "kinds": {
                kind: {
                    "clips": row.counts[kind],
                    "measures": {name: asdict(found) for name, found in measures.items()},
                }
                for kind, measures in row.kinds.items()
            },
            "bars": {} if row.baseline else check_bars(config, row, rows),
            "clips": [
                {"name": r.name, "kind": r.kind, "sentence": r.sentence, "values": r.values}
                for r in own
            ],
        }
    return {
        "config": config.model_dump(mode="json"),
        "broken": broken_clips(records),
        "methods": methods,
    }


def markdown(
    config: EvaluateConfig,
    rows: Sequence[MethodRow],
    broken: Mapping[int, str],
    strata: Sequence[str] = (),
) -> str:
    """Content of results.md: the tables, with those of `strata`, and what their columns mean."""
    clips = max((row.measures["psnr"].clips for row in rows if "psnr" in row.measures), default=0)
    parts = [
        f"# Evaluation on {clips} clips",
        "Means ± standard errors (bootstrap over clips); results.json has 95 % intervals, the "
        "values of every clip, and the configuration.",
        "## Whole frames, as the paper's Tables 2 and 3",
        _method_table(rows, PAPER),
    ]
    if config.measures.features is None:
        parts.append("VFID is left out: `measures.features` names no network.")
    parts += ["## Inside and outside the object", _method_table(rows, SPLIT)]
    own = [row for row in rows if not row.baseline]
    if any("psnr_composited" in row.measures for row in own):
        parts += [
            "## Composited with the predicted mask",
            _method_table(rows, COMPOSITED),
        ]
    if filled := [row for row in own if "psnr_background" in row.measures]:
        parts += [
            "## Composited with the background that other frames show",
            _method_table(filled, BACKGROUND),
        ]
    parts += ["## Objects", _method_table(rows, OBJECTS)]
    talking = [row for row in own if any(name in row.measures for name in CHAT)]
    if talking:
        parts += ["## Replies", _method_table(talking, CHAT)]
    if config.bars or config.bars_of_methods:
        parts += ["## Bars", _bar_table(config, own)]
    parts += [
        part
        for row in own
        if row.kinds
        for part in (f"## By kind of sentence: {row.name}", _kind_table(row))
    ]
    parts += strata
    if broken:
        parts += ["## Clips left out", "\n".join(f"- {n}: {why}" for n, why in broken.items())]
    chat = CHAT if talking else ()
    bars = [name for row in own for name in config.bars_for(row.name)]
    grouped = STRATA if strata else ()
    shown = (*PAPER, *(BACKGROUND if filled else ()), *OBJECTS, "psnr_gain", *chat, *bars, *grouped)
    listed = dict.fromkeys(shown)
    parts += [
        "## What is measured",
        "\n".join(f"- **{MEASURES[name].title}**: {MEASURES[name].meaning}." for name in listed),
        "A dash: the method predicts no mask, or no clip is of that kind. For the VAE of the "
        "target, damage is 0 by definition.",
    ]
    return "\n\n".join(parts) + "\n"


def _method_table(rows: Sequence[MethodRow], names: Sequence[str]) -> str:
    body = [[row.name, *(figure(row.measures, name) for name in names)] for row in rows]
    return table(["Method", *(heading(name) for name in names)], body)


def _bar_table(config: EvaluateConfig, rows: Sequence[MethodRow]) -> str:
    body = []
    for row in rows:
        if row.baseline:
            continue
        found = check_bars(config, row, rows)
        for name, bar in config.bars_for(row.name).items():
            verdict = {True: "met", False: "not met", None: DASH}[found[name]["met"]]
            figures = [figure(row.measures, name), interval(row.measures, name), verdict]
            body.append([row.name, MEASURES[name].title, str(bar), *figures])
    return table(["Method", "Measure", "Bar", "", "95 %", ""], body)


def _kind_table(row: MethodRow) -> str:
    talks = any(name in row.measures for name in CHAT)
    names = (*CHAT, *BY_KIND) if talks else BY_KIND
    body = [
        [kind, str(row.counts[kind]), *(figure(measures, name) for name in names)]
        for kind, measures in row.kinds.items()
    ]
    return table(["Kind", "Clips", *(heading(name) for name in names)], body)
