"""Evaluate methods on the same clips: did the right object go, and did everything else stay?

    python -m train.evaluate --config train/configs/lgvi_mini_eval.yaml --workers 2

Every key of the configuration is documented in train/evaluation/config.py; command-line options
override it. The output folder receives results.json, results.md, contact_sheet.png and a cache
of finished clips, from which an interrupted evaluation resumes.
"""

import argparse
import sys
from pathlib import Path

from lgvi_core.errors import LGVIError

from .evaluation.clips import write_clips
from .evaluation.config import read_evaluation_config
from .evaluation.report import write_report
from .evaluation.run import evaluate


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with a message where a file, key or result cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="YAML file")
    parser.add_argument("--model", type=Path, help="folder or file in place of the first lgvi one")
    parser.add_argument("--steps", type=int, help="sampling steps of every method")
    parser.add_argument("--clips", type=int, help="how many clips")
    parser.add_argument("--first", type=int, help="number of the first clip")
    parser.add_argument("--workers", type=int, help="processes that share the clips")
    parser.add_argument("--device", help="cpu, cuda, cuda:1")
    parser.add_argument("--output", type=Path, help="folder for results and cache")
    parser.add_argument(
        "--write-clips",
        type=Path,
        metavar="FOLDER",
        help="only write the source clips and sentences, for a method that is run elsewhere",
    )
    options = vars(parser.parse_args(arguments))
    path, folder = options.pop("config"), options.pop("write_clips")
    try:
        config = read_evaluation_config(path, options)
        if folder is not None:
            write_clips(config.data, folder)
            return
        config.output.mkdir(parents=True, exist_ok=True)
        print(write_report(config, evaluate(config)))
    except (LGVIError, OSError, ValueError) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
