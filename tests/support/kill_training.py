"""Train once undisturbed and once killed ten times; print whether the final weights are equal.

training/test_run.py runs it in a process of its own, because it forks.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from safetensors.torch import load_file  # noqa: E402

from support.train_run import tiny_values  # noqa: E402
from train.engine import checkpoints  # noqa: E402
from train.lgvi.config import TrainConfig  # noqa: E402
from train.train_lgvi import train  # noqa: E402

KILLS = 10


def start(config: TrainConfig) -> int:
    """Train in a forked process and return its id."""
    process = os.fork()
    if process == 0:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        try:
            train(config)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return process


def wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def last_step(run: Path) -> int:
    """Step in the name of the newest checkpoint; 0 where there is none."""
    return max((int(p.name[5:]) for p in run.glob("checkpoints/step-*[0-9]")), default=0)


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    changes = {"max_steps": 50, "checkpoint_every": 1}
    configs = {
        name: TrainConfig.model_validate(tiny_values(folder / name, **changes))
        for name in ("peace", "killed")
    }
    assert wait(start(configs["peace"])) == 0
    rng, steps = random.Random(0), []
    for _ in range(KILLS):
        process = start(configs["killed"])
        target = last_step(folder / "killed") + rng.randint(1, 4)
        while last_step(folder / "killed") < target:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.3))  # about the duration of a step and its checkpoint
        os.kill(process, signal.SIGKILL)
        assert wait(process) == -signal.SIGKILL, "it ended before it was killed"
        found = checkpoints.newest(folder / "killed" / "checkpoints")
        steps.append(found.name if found else "nothing yet")
    assert wait(start(configs["killed"])) == 0
    ends = [
        load_file(checkpoints.newest(folder / name / "checkpoints") / checkpoints.WEIGHTS)
        for name in configs
    ]
    assert ends[0].keys() == ends[1].keys()
    equal = all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    print("killed after", *steps)
    print("equal" if equal else "different")


if __name__ == "__main__":
    main()
