"""Trains under FSDP 2 on CPU processes, which accelerate itself would give DDP instead.

Run by test_train_run.py through torch.distributed.run.
"""

import sys
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from train.config import TrainConfig, read_config  # noqa: E402
from train.train_lgvi import Trainer  # noqa: E402


def main() -> None:
    PartialState(cpu=True)
    # What it says on GPUs; the only condition for FSDP that CPUs do not meet.
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    trainer = Trainer(read_config(Path(sys.argv[1]), TrainConfig))
    assert trainer.accelerator.distributed_type == DistributedType.FSDP
    trainer.run()


if __name__ == "__main__":
    main()
