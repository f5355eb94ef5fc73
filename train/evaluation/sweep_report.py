"""Table and plot of a sweep over settings."""

from collections.abc import Sequence
from html import escape
from math import log2

from .names import MEASURES
from .strata import Stratum
from .sweep import Point, SweepConfig
from .tables import figure, heading, table

ALSO = ("psnr_gain", "ewarp", "iou")
"""Measures that the table shows beside those that decide."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which people who see fewer colours can tell apart."""
WIDTH, HEIGHT, MARGIN = 640, 360, 48


def sweep_markdown(
    config: SweepConfig,
    points: Sequence[Point],
    chosen: Point,
    best: Point,
    strata: Sequence[Stratum],
) -> str:
    """Content of sweep.md: all settings in one table, the choice, and the same by stratum."""
    shown = [*config.worth, *(n for n in ALSO if any(n in p.measures for p in points))]
    body = [
        [_marked(p, chosen, best), str(p.passes), *(figure(p.measures, n) for n in shown)]
        for p in points
    ]
    parts = [
        f"# Fewest passes of {config.model.name}",
        f"{_clips(points)} clips. Means ± standard errors. A setting is steps, solver and spacing, "
        "scales; the chosen one in bold has the fewest passes of those that are at most "
        f"{config.within:g} worse than the best (marked *) in each of "
        f"{', '.join(MEASURES[n].title for n in config.worth)}.",
        table(["Setting", "Passes", *(heading(n) for n in shown)], body),
    ]
    for name in dict.fromkeys(row.name for row in strata):
        own = {row.method: row for row in strata if row.name == name}
        rows = [
            [_marked(p, chosen, best), *(figure(own[key].measures, n) for n in shown)]
            for p in points
            if (key := p.settings.describe()) in own
        ]
        clips = max(row.clips for row in own.values())
        parts += [f"## {name} ({clips} clips)", table(["Setting", *map(heading, shown)], rows)]
    return "\n\n".join(parts) + "\n"


def _marked(point: Point, chosen: Point, best: Point) -> str:
    name = point.settings.describe() + (" *" if point is best else "")
    return f"**{name}**" if point is chosen else name


def _clips(points: Sequence[Point]) -> int:
    return max(found.clips for point in points for found in point.measures.values())


def sweep_plot(points: Sequence[Point], worth: Sequence[str], chosen: Point) -> str:
    """An SVG: each share over the passes, on a logarithmic axis; a line marks what was chosen."""
    most = max(1.0, log2(max(p.passes for p in points)))
    inner = (WIDTH - 4 * MARGIN, HEIGHT - 2 * MARGIN)

    def across(passes: int) -> float:
        return MARGIN + inner[0] * log2(passes) / most

    def down(share: float) -> float:
        return MARGIN + inner[1] * (1 - share)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = down(share)
        lines.append(f'<path d="M{MARGIN} {y:.1f}h{inner[0]}" stroke="#ddd"/>')
        lines.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    for passes in sorted({p.passes for p in points}):
        x = across(passes)
        lines.append(
            f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{passes}</text>'
        )
    x = across(chosen.passes)
    lines.append(f'<path d="M{x:.1f} {MARGIN}v{inner[1]}" stroke="#888" stroke-dasharray="4"/>')
    lines.append(
        f'<text x="{MARGIN + inner[0] / 2}" y="{HEIGHT - 10}" text-anchor="middle">passes of the '
        "U-Net</text>"
    )
    for i, name in enumerate(worth):
        colour = COLOURS[i % len(COLOURS)]
        lines += [
            f'<circle cx="{across(p.passes):.1f}" cy="{down(p.measures[name].mean):.1f}" r="4" '
            f'fill="{colour}"><title>{escape(p.settings.describe())}</title></circle>'
            for p in points
        ]
        y = MARGIN + 18 * i
        x = WIDTH - 3 * MARGIN + 16
        lines.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{colour}"/>')
        lines.append(f'<text x="{x + 10}" y="{y}">{escape(heading(name))}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
