"""Means over clips, with standard errors and 95 % confidence intervals by bootstrap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap

from .names import MEASURES
from .object_measures import Values

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Statistic:
    """The mean of all values; error and interval are None where there are fewer than two clips."""

    mean: float
    standard_error: float | None
    interval: tuple[float, float] | None
    clips: int


def summarize(clips: Sequence[Sequence[float]], share: bool = False) -> Statistic:
    """The mean of all values of all clips, where each clip has one value or one per object.

    The bootstrap (percentile intervals) draws whole clips, since the objects of a clip are not
    independent of each other. It is seeded, so that equal values give equal intervals. Where the
    values of a share are all 0 or all 1, draws cannot vary, and the interval is Wilson's.
    """
    sums = np.array([np.sum(values) for values in clips], np.float64)
    counts = np.array([len(values) for values in clips], np.float64)
    mean = float(sums.sum() / counts.sum())
    if len(clips) < 2:
        return Statistic(mean, None, None, len(clips))
    if share and mean in (0, 1):
        wilson = binomtest(round(mean * len(clips)), len(clips)).proportion_ci(LEVEL, "wilson")
        return Statistic(mean, 0.0, (float(wilson.low), float(wilson.high)), len(clips))
    found = bootstrap(
        (sums, counts),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        n_resamples=RESAMPLES,
        paired=True,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = found.confidence_interval
    return Statistic(mean, float(found.standard_error), (float(low), float(high)), len(clips))


def summarize_measures(clips: Iterable[Values]) -> dict[str, Statistic]:
    """Apply `summarize` to every measure, over the clips that the measure applies to."""
    collected: dict[str, list[list[float]]] = {}
    for values in clips:
        for name, found in values.items():
            collected.setdefault(name, []).append(found)
    return {name: summarize(values, MEASURES[name].share) for name, values in collected.items()}
