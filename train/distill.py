"""Distil the guidance and the steps of an LGVI into a few unguided passes.

    accelerate launch -m train.distill --config train/configs/lgvi_mini_distill.yaml

The configuration is that of train.train_lgvi with a section `distill`, which train/lgvi/config.py
describes. The student starts from `start_from`, trained whole or by a LoRA; the data give clips and
sentences, and the teacher the targets. A student of an epsilon-predicting teacher learns to predict
v where `scheduler` says so, which a single step from noise needs. A stopped run resumes when it is
started again. train.export writes the student with its steps as its own settings.
"""

import argparse
import sys
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from lgvi_core.errors import LGVIError

from .engine.config import read_yaml_config
from .engine.progress import start_logging
from .lgvi.config import TrainConfig
from .lgvi.distill import Distillation
from .train_lgvi import build_trainer


def distill(config: TrainConfig) -> None:
    """Run the distillation, or resume it. Raises LGVIError if it cannot start."""
    if config.distill is None:
        raise LGVIError("the configuration has no section `distill`: train.train_lgvi runs it")
    with logging_redirect_tqdm():
        build_trainer(config, Distillation).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--config", type=Path, required=True, help="YAML file, see train/lgvi/config.py"
    )
    args = parser.parse_args()
    start_logging()
    try:
        distill(read_yaml_config(args.config, TrainConfig))
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
