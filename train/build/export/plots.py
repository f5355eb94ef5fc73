"""The statistics as pictures, in the arrangement of the paper's Fig. 3."""

from pathlib import Path
from typing import Any

from .statistics import _SHOWN

FILE = "statistics.png"


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw the figures of `statistics` into one PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    _bars(axes[0, 0], "Videos", {**found["by_source"], **_titled(found["by_split"])})
    _bars(axes[0, 1], "Words of expressions", dict(list(found["words"].items())[:_SHOWN]))
    _bars(axes[0, 2], "Categories", dict(list(found["categories"].items())[:_SHOWN]))
    _histogram(axes[1, 0], "Mask, share of the frame (%)", [100 * v for v in found["mask_sizes"]])
    _histogram(axes[1, 1], "Motion a frame (% of the diagonal)", [100 * v for v in found["motion"]])
    lengths = {
        name: found[f"{name}_lengths"]
        for name in ("expression", "request", "reply")
        if found[f"{name}_lengths"]
    }
    _lengths(axes[1, 2], lengths)
    figure.savefig(path, dpi=80)


def _titled(split: dict[str, int]) -> dict[str, int]:
    return {f"split {name}": count for name, count in split.items()}


def _bars(axis: Any, title: str, counts: dict[str, int]) -> None:
    axis.set_title(title)
    names = list(counts)[::-1]
    axis.barh(names, [counts[name] for name in names], color="#4878a8")
    axis.tick_params(axis="y", labelsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)


def _histogram(axis: Any, title: str, values: list[float]) -> None:
    axis.set_title(title)
    axis.set_ylabel("objects")
    axis.hist(values, bins=min(30, max(5, len(values) // 3)), color="#4878a8")
    axis.yaxis.get_major_locator().set_params(integer=True)


def _lengths(axis: Any, lengths: dict[str, list[int]]) -> None:
    axis.set_title("Words of a sentence")
    axis.set_ylabel("sentences")
    most = max((max(values) for values in lengths.values()), default=1)
    for name, values in lengths.items():
        axis.hist(values, bins=range(0, most + 2, max(1, most // 25)), alpha=0.6, label=name)
    if lengths:
        axis.legend()
    axis.yaxis.get_major_locator().set_params(integer=True)
