"""Find the fewest passes of a model that are as good as many, and write them into its checkpoint.

    python -m train.sweep --config train/configs/lgvi_mini_sweep.yaml --write

The configuration is one of train.evaluate with a single model, and a list of settings; its keys are
described in train/evaluation/config.py and train/evaluation/sweep.py. Every setting is evaluated on
the same clips. Chosen is the one with the fewest passes of the U-Net that is at most `within` worse
than the best in each of the shares `worth`. The output folder receives sweep.md, sweep.svg, the
evaluation's own results, and a cache from which an interrupted sweep resumes.
"""

import argparse
import sys
from pathlib import Path

from lgvi_core.checkpoint.checkpoint import load_own_settings, write_own_settings
from lgvi_core.errors import LGVIError

from .engine.files import write_text
from .evaluation.report import summarize_rows, write_report
from .evaluation.run import evaluate
from .evaluation.strata import summarize_strata
from .evaluation.sweep import Point, SweepConfig, choose, merged, read_sweep_config
from .evaluation.sweep_report import sweep_markdown, sweep_plot


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with a message where a file, key or result cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="YAML file")
    parser.add_argument("--model", type=Path, help="folder or file in place of the file's model")
    parser.add_argument("--clips", type=int, help="how many clips")
    parser.add_argument("--workers", type=int, help="processes that share the clips")
    parser.add_argument("--device", help="cpu, cuda, cuda:1")
    parser.add_argument("--output", type=Path, help="folder for results and cache")
    parser.add_argument(
        "--write", action="store_true", help="write the chosen setting into the checkpoint"
    )
    options = vars(parser.parse_args(arguments))
    path, write = options.pop("config"), options.pop("write")
    try:
        print(sweep(read_sweep_config(path, options), write))
    except (LGVIError, OSError, ValueError) as error:
        sys.exit(f"{parser.prog}: {error}")


def sweep(config: SweepConfig, write: bool = False) -> str:
    """Evaluate all settings, choose one, and return the Markdown of sweep.md.

    With `write`, the checkpoint's own settings become the chosen ones. Raises LGVIError or
    ValueError for a configuration, model or data that cannot be used.
    """
    model = config.model.model
    own = load_own_settings(model)
    expanded = config.expanded()
    config.output.mkdir(parents=True, exist_ok=True)
    records = evaluate(expanded)
    write_report(expanded, records)
    measures = {row.name: row.measures for row in summarize_rows(expanded, records)}
    points = [
        Point(s, merged(own, s).passes, measures[s.describe()])
        for s in sorted(config.settings, key=lambda s: merged(own, s).passes)
    ]
    chosen, best = choose(points, config.worth, config.within)
    strata = summarize_strata(records, [p.settings.describe() for p in points])
    text = sweep_markdown(config, points, chosen, best, strata)
    write_text(config.output / "sweep.md", text)
    write_text(config.output / "sweep.svg", sweep_plot(points, config.worth, chosen))
    if write:
        write_own_settings(model, merged(own, chosen.settings))
    return text


if __name__ == "__main__":
    main()
