"""Configurations of runs: YAML files, validated on reading and recorded in the run's folder."""

import json
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from lgvi_core.errors import LGVIError

from .files import write_text

CONFIG_FILE = "config.json"
"""Name of the file in a run's output folder that records its latest configuration."""

Config = TypeVar("Config", bound=BaseModel)


class Section(BaseModel):
    """Base class of a configuration's sections: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OptimizerSettings(Protocol):
    """Optimizer settings that the training loop reads, whatever the configuration."""

    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay_from(self) -> float: ...
    @property
    def max_grad_norm(self) -> float: ...
    @property
    def ema_decay(self) -> float | None: ...


class TrackerSettings(Protocol):
    """Settings of the trackers, whatever the configuration."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def project(self) -> str: ...
    @property
    def options(self) -> dict[str, dict[str, Any]]: ...


class RunConfig(Protocol):
    """Settings of a run that the training loop reads, whatever the configuration."""

    @property
    def output(self) -> Path: ...
    @property
    def seed(self) -> int: ...
    @property
    def max_steps(self) -> int: ...
    @property
    def max_minutes(self) -> float | None: ...
    @property
    def mixed_precision(self) -> Literal["no", "fp16", "bf16"]: ...
    @property
    def gradient_accumulation(self) -> int: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def cpu(self) -> bool: ...
    @property
    def log_every(self) -> int: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def keep_checkpoints(self) -> int: ...
    @property
    def trackers(self) -> TrackerSettings: ...
    @property
    def optimizer(self) -> OptimizerSettings: ...
    def model_dump_json(self, *, indent: int | None = None) -> str: ...


def read_yaml_config(path: Path, kind: type[Config]) -> Config:
    """Read a YAML file and validate it as the configuration class `kind`.

    Raises LGVIError if the file cannot be read, or with one line for each wrong, missing or unknown
    key.
    """
    values = read_yaml(path)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()
        ]
        raise LGVIError(f"{path} is not a training configuration:\n" + "\n".join(lines)) from None


def read_yaml(path: Path) -> Any:
    """Read a YAML file; raises LGVIError that names it where it cannot be read."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise LGVIError(f"{path} cannot be read: its brackets are nested too deep") from None
    # ValueError: a date that no calendar has, a number of thousands of digits, text that is none.
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LGVIError(f"{path} cannot be read: {error}") from None


def write_run_config(config: RunConfig) -> None:
    """Record the configuration in the run's folder, for the export and for resuming."""
    write_text(config.output / CONFIG_FILE, config.model_dump_json(indent=2))


def read_run_config(run: Path, kind: type[Config]) -> Config:
    """Read the latest configuration of a run. Raises LGVIError if its folder holds none."""
    path = run / CONFIG_FILE
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise LGVIError(
            f"{run} is not the output folder of a training: {CONFIG_FILE}: {error}"
        ) from None
