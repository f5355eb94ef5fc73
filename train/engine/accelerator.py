"""The set-up of a training's processes: threads, accelerate, and the seed."""

import os
from collections.abc import Mapping
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin, InitProcessGroupKwargs, set_seed

from lgvi_core.errors import LGVIError

from .config import RunConfig
from .tracking import check_trackers

PROCESS_TIMEOUT = timedelta(hours=2)
"""How long processes wait for one that draws contact sheets or writes a checkpoint."""


def make_accelerator(config: RunConfig) -> Accelerator:
    """Set up threads, accelerate and the seed; every run begins with it.

    Devices, DDP, FSDP and DeepSpeed are set by `accelerate config`; precision and gradient
    accumulation by the run's configuration. Raises LGVIError if a tracker is not installed, or if
    the launcher has started fewer processes than it was told to.
    """
    check_trackers(config.trackers)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        # A plain number would be overridden by the launcher's environment; a plugin is not.
        gradient_accumulation_plugin=GradientAccumulationPlugin(config.gradient_accumulation),
        cpu=config.cpu,
        log_with=list(config.trackers.names) or None,
        project_dir=str(config.output),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT)],
    )
    if accelerator.num_processes == 1 and several_were_asked_for(os.environ):
        raise LGVIError(
            "accelerate launch was told of several processes and has started one, as it does with "
            "--cpu. On CPUs start them with torchrun --nproc-per-node N -m train.train_lgvi ..., "
            "or with accelerate's --mpirun_hostfile. (For a single one, unset MASTER_ADDR)"
        )
    if (plugin := accelerator.state.deepspeed_plugin) is not None:
        plugin.deepspeed_config.update(
            # accelerate would read it from a prepared DataLoader, but batches come ready-made.
            train_micro_batch_size_per_gpu=1,
            gradient_accumulation_steps=config.gradient_accumulation,
            gradient_clipping=config.optimizer.max_grad_norm,
        )
    set_seed(config.seed)
    return accelerator


def several_were_asked_for(environment: Mapping[str, str]) -> bool:
    """Whether `accelerate launch` wanted several processes and left it to others to start them.

    It then sets their meeting point, but neither their number nor their ranks.
    """
    launched = "ACCELERATE_MIXED_PRECISION" in environment
    return launched and "MASTER_ADDR" in environment and "WORLD_SIZE" not in environment
