"""Train under FSDP 2 in CPU processes, for which accelerate itself would choose DDP.

training/test_run.py runs it through torch.distributed.run.
"""

import sys
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from train.engine.config import read_yaml_config  # noqa: E402
from train.lgvi.config import TrainConfig  # noqa: E402
from train.train_lgvi import build_trainer  # noqa: E402


def main() -> None:
    PartialState(cpu=True)
    # Accelerate sets this on GPUs; it is the only condition for FSDP that CPUs do not meet.
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    trainer = build_trainer(read_yaml_config(Path(sys.argv[1]), TrainConfig))
    assert trainer.accelerator.distributed_type == DistributedType.FSDP
    trainer.run()


if __name__ == "__main__":
    main()
