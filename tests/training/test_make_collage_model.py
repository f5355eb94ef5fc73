"""The command that makes the video model within a given time, and trainings that time ends."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lgvi_core.errors import LGVIError
from support.train_run import tiny_values
from train import make_collage_model as command
from train.engine import checkpoints
from train.evaluation.config import EvaluateConfig
from train.lgvi.config import TrainConfig
from train.lgvi.model import build_model
from train.train_lgvi import build_trainer, train


@pytest.fixture
def job(tmp_path: Path) -> command.Job:
    (tmp_path / "collage" / "icons").mkdir(parents=True)
    return command.Job(
        tmp_path / "collage", tmp_path / "made", 20, "cuda", "small", "committed", 16
    )


class Process:
    """A process that ends at once, or never."""

    def __init__(self, ends: bool) -> None:
        self.ends, self.stopped = ends, False

    def wait(self, seconds: float | None = None) -> int:
        if seconds is not None and not self.ends:
            raise command.subprocess.TimeoutExpired("x", seconds)
        return 0

    def poll(self) -> int | None:
        return 0 if self.ends or self.stopped else None

    def terminate(self) -> None:
        self.stopped = True


@pytest.fixture
def calls(monkeypatch):
    """What is started, by module; `calls.ends` says whether the training ends in time."""

    class Calls(list):
        ends = True

    found = Calls()

    def start(module: str, *arguments: object, device: str) -> Process:
        words = [str(a) for a in arguments]
        found.append((module, words, device))
        if module == "train.train_autoencoder":
            partial = Path(words[words.index("--output") + 1])
            partial.mkdir(parents=True)
            (partial / "config.json").write_text("{}")
        process = Process(module not in ("train.train_lgvi", "train.collage_cache") or found.ends)
        if module == "train.collage_cache":
            process = Process(False)
            found.drawing = process
        return process

    monkeypatch.setattr(command, "start", start)
    return found


@pytest.mark.parametrize(
    ("size", "start", "device"),
    [
        ("small", "committed", "cuda"),
        ("small", "nothing", "cpu"),
        ("large", "nothing", "cuda"),
        ("large", "nothing", "cpu"),
    ],
)
def test_configurations_are_valid(job: command.Job, size: str, start: str, device: str) -> None:
    own = replace(job, size=size, start=start, device=device)
    config = TrainConfig.model_validate(command.training_config(own))
    assert config.max_minutes is not None and config.max_minutes < 0.8 * job.minutes
    assert (config.start_from is None) == (start == "nothing") and config.vae == own.vae
    assert config.cpu == (device == "cpu") and config.data.collages is not None
    assert bool(config.data.workers) == config.data.collages.drawn_elsewhere == (device == "cuda")
    EvaluateConfig.model_validate(command.evaluation_config(own, 8))


def test_the_large_model_takes_at_most_60_megabytes(job: command.Job) -> None:
    large = replace(job, size="large", start="nothing", device="cpu")
    config = TrainConfig.model_validate(command.training_config(large))
    exported = [
        p for n, p in build_model(config).named_parameters() if not n.startswith("attribute_heads.")
    ]
    assert 40e6 < 2 * sum(p.numel() for p in exported) < 60e6


def test_what_cannot_be_made_is_said_before_anything_starts(job: command.Job) -> None:
    with pytest.raises(LGVIError, match="committed weights are small"):
        command.check(replace(job, size="large"))
    with pytest.raises(LGVIError, match=r"holds no icons: python -m train\.data\.collage\.fetch"):
        command.check(replace(job, collage=job.collage / "elsewhere"))
    with pytest.raises(LGVIError, match="unknown"):
        command.check(replace(job, size="huge"))


def test_cores_are_shared_by_drawing_and_loading() -> None:
    for cores in (1, 2, 4, 16, 64):
        drawers, loaders = command.share_workers(cores)
        assert drawers >= 1 and loaders >= 1 and drawers + loaders <= max(2, cores - 1)


def test_a_call_that_is_cut_short_exports_and_the_next_one_goes_on(job: command.Job, calls) -> None:
    calls.ends = False
    command.make(job, 0, 8)
    assert [module for module, _, _ in calls] == [
        "train.train_autoencoder",
        "train.collage_cache",
        "train.train_lgvi",
        "train.export",
    ]
    assert calls.drawing.stopped
    written = yaml.safe_load(job.config.read_text())
    del calls[:]
    calls.ends = True
    command.make(replace(job, minutes=99), float("inf"), 8)
    assert [module for module, _, _ in calls] == [
        "train.collage_cache",
        "train.train_lgvi",
        "train.export",
        "train.evaluate",
    ]
    assert yaml.safe_load(job.config.read_text()) == written  # the time of the first call counts


def test_on_a_cpu_one_process_draws_and_trains(job: command.Job, calls) -> None:
    command.make(replace(job, device="cpu", workers=2), float("inf"), 8)
    assert "train.collage_cache" not in [module for module, _, _ in calls]
    assert all(device == "cpu" for _, _, device in calls)


@pytest.mark.training
def test_time_ends_a_run_and_its_learning_rates_fall_with_it(tmp_path: Path) -> None:
    values = tiny_values(tmp_path / "run", max_steps=100_000, max_minutes=0.05)
    trainer = build_trainer(TrainConfig.model_validate(values))
    trainer.run()
    steps = trainer.progress.step
    assert 2 < steps < 100_000 and trainer.progress.seconds >= 3
    assert trainer.optimizer.param_groups[0]["lr"] < 0.5e-3
    newest = checkpoints.newest(tmp_path / "run" / "checkpoints")
    assert newest is not None and newest.name == f"step-{steps:08d}"
    train(TrainConfig.model_validate(values))  # nothing is left to do
    assert checkpoints.newest(tmp_path / "run" / "checkpoints") == newest
