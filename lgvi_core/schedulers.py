"""Diffusers schedulers for the names that ComfyUI has for samplers and spacings."""

from typing import Any

import diffusers

from .errors import LGVIError

SOLVERS: dict[str, type | None] = {
    "euler": None,  # the scheduler as it is: the checkpoints' DDIM takes the same steps
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
}
"""Classes by ComfyUI's name of the sampler."""
SPACINGS: dict[str, str | None] = {
    "normal": None,  # as the scheduler's own configuration says
    "simple": "trailing",
    "ddim_uniform": "leading",
}
"""Diffusers' `timestep_spacing` by ComfyUI's name of the scheduler.

"simple" begins at the noisiest timestep, which a single step has to; "ddim_uniform" ends at the
least noisy one.
"""


def scheduler_for(scheduler: Any, sampler: str, spacing: str) -> Any:
    """Return the diffusers `scheduler` with another solver and spacing, by ComfyUI's names.

    Raises LGVIError for names that are not in `SOLVERS` and `SPACINGS`.
    """
    for name, what, known in (
        (sampler, "sampler", SOLVERS),
        (spacing, "scheduler", SPACINGS),
    ):
        if name not in known:
            raise LGVIError(
                f"without ComfyUI there is no {what} {name!r}: choose {', '.join(known)}, or "
                "assign a diffusers scheduler to pipeline.scheduler"
            )
    solver, timesteps = SOLVERS[sampler], SPACINGS[spacing]
    if solver is None and timesteps is None:
        return scheduler
    changes = {} if timesteps is None else {"timestep_spacing": timesteps}
    kind: Any = solver or type(scheduler)
    return kind.from_config(scheduler.config, **changes)
