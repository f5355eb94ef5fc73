"""Tables in Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from .names import MEASURES
from .statistics import Statistic

DASH = "-"
Statistics = Mapping[str, Statistic]


def heading(name: str) -> str:
    """The head of a measure's column, with an arrow towards what is better."""
    return f"{MEASURES[name].title} {'↑' if MEASURES[name].better == 'up' else '↓'}"


def figure(measures: Statistics, name: str) -> str:
    """A measure's mean and standard error; a dash where it does not apply."""
    if name not in measures:
        return DASH
    found, digits = measures[name], MEASURES[name].digits
    if found.standard_error is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} ± {found.standard_error:.{digits}f}"


def interval(measures: Statistics, name: str) -> str:
    """A measure's confidence interval; a dash where there is none."""
    found = measures.get(name)
    if found is None or found.interval is None:
        return DASH
    return " to ".join(f"{bound:.{MEASURES[name].digits}f}" for bound in found.interval)


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table with a line of heads."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
