"""The command lines of trainings: launchers, trackers, full disks, and what they print."""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from accelerate import tracking as accelerate_tracking
from accelerate.commands.launch import launch_command_parser
from accelerate.tracking import GeneralTracker
from accelerate.utils import LoggerType
from safetensors import SafetensorError

from lgvi_core.errors import LGVIError
from support.train_run import SOURCE, tiny_values, write_config
from tools.paths import ROOT
from train.engine import tracking
from train.engine.accelerator import several_were_asked_for
from train.engine.checkpoints import _why
from train.engine.command import told_errors
from train.engine.config import read_yaml_config
from train.lgvi.batches import Rank
from train.lgvi.config import TrainConfig
from train.lgvi.model import build_tokenizer
from train.lgvi.reader_batches import ReaderBatches
from train.lgvi.text import Sentences
from train.train_lgvi import build_trainer, train

pytestmark = pytest.mark.training


def test_a_launcher_that_starts_one_process_of_two_is_an_error(tmp_path):
    """`accelerate launch --cpu` starts one, whatever --num_processes says."""
    config = write_config(tmp_path / "config.yaml", tmp_path / "run")
    options = ["--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    script = ["-m", "train.train_lgvi", "--config", str(config)]
    command = [sys.executable, "-m", "accelerate.commands.launch", *options, *script]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode != 0
    assert "told of several processes and has started one" in done.stderr
    assert "torchrun --nproc-per-node" in done.stderr
    assert not (tmp_path / "run").exists()


def launch_lines() -> list[list[str]]:
    """The words of every `accelerate launch` of several processes in a block of train/README.md."""
    text = (ROOT / "train" / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line.startswith("accelerate launch ")]
    return [line[2:] for line in lines if "--num_processes" in line]


def test_the_launch_lines_of_the_readme_can_be_launched(tmp_path):
    """accelerate understands them, and the paper's batches can be shared as they say."""
    eight, nodes = map(launch_command_parser().parse_args, launch_lines())
    assert (eight.num_processes, eight.num_machines) == (8, 1)
    assert (nodes.num_processes, nodes.num_machines) == (16, 2)
    assert eight.training_script == nodes.training_script == "train.train_lgvi"
    paper = read_yaml_config(ROOT / eight.training_script_args[1], TrainConfig)
    scheduler = {"beta_schedule": "scaled_linear"}
    for parts, processes in ((4, eight.num_processes), (2, nodes.num_processes)):
        changes = {"gradient_accumulation": parts, "start_from": None, "scheduler": scheduler}
        config = paper.model_copy(update=changes)
        tokenizer = build_tokenizer(TrainConfig.model_validate(tiny_values(tmp_path)))
        ReaderBatches(config, Sentences(tokenizer), [], [], Rank(0, processes))
    with pytest.raises(LGVIError, match="cannot be shared evenly by 16 processes of 4 parts"):
        config = paper.model_copy(update={"start_from": None, "scheduler": scheduler})
        ReaderBatches(config, Sentences(tokenizer), [], [], Rank(0, 16))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"ACCELERATE_MIXED_PRECISION": "no"}, False),
        ({"MASTER_ADDR": "10.0.0.1"}, False),
        ({"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}, True),
        (
            {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "a", "WORLD_SIZE": "1"},
            False,
        ),
    ],
)
def test_what_tells_that_several_processes_were_asked_for(environment, expected):
    assert several_were_asked_for(environment) == expected


class Recorder(GeneralTracker):
    """Stands for wandb."""

    name = "wandb"
    requires_logging_directory = False
    made: ClassVar[list["Recorder"]] = []

    def __init__(self, project: str, **options) -> None:
        super().__init__()
        Recorder.made.append(self)
        self.started = (project, options)
        self.values: list[tuple[int, dict]] = []
        self.pictures: list[tuple[int, str, tuple]] = []
        self.settings: dict = {}

    @property
    def tracker(self):
        return self

    def start(self) -> None: ...

    def store_init_configuration(self, values: dict) -> None:
        self.settings = values

    def log(self, values: dict, step: int | None = None, **_) -> None:
        self.values.append((step, values))

    def log_images(self, values: dict, step: int | None = None, **_) -> None:
        (name, pictures), *_others = values.items()
        self.pictures.append((step, name, pictures[0].shape))


def test_other_trackers_get_figures_settings_and_pictures(tmp_path, monkeypatch):
    monkeypatch.setitem(accelerate_tracking.LOGGER_TYPE_TO_CLASS, "wandb", Recorder)
    available = [*accelerate_tracking.get_available_trackers(), LoggerType.WANDB]
    monkeypatch.setattr(accelerate_tracking, "_available_trackers", available)
    config = TrainConfig.model_validate(
        tiny_values(
            tmp_path,
            max_steps=2,
            trackers={
                "names": ["tensorboard", "wandb"],
                "project": "rovi",
                "options": {"wandb": {"entity": "me"}},
            },
            samples={
                "every": 2,
                "source": {**SOURCE, "split": "held-out"},
                "count": 1,
                "frames": 2,
                "steps": 1,
            },
        )
    )
    trainer = build_trainer(config)
    trainer.run()
    (recorder,) = Recorder.made
    assert recorder.started == ("rovi", {"entity": "me"})
    assert [step for step, _ in recorder.values] == [1, 2]
    assert "loss/loss" in recorder.values[0][1]
    assert recorder.settings["max_steps"] == 2
    ((step, name, shape),) = recorder.pictures
    assert (step, name, shape[2]) == (2, "samples", 3)
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_run_without_trackers_trains(tmp_path):
    train(TrainConfig.model_validate(tiny_values(tmp_path, max_steps=1, trackers={"names": []})))
    assert not (tmp_path / "tensorboard").exists()
    assert (tmp_path / "checkpoints" / "step-00000001").is_dir()


def test_a_tracker_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "get_available_trackers", lambda: ["tensorboard"])
    trackers = {"names": ["tensorboard", "comet_ml"]}
    config = TrainConfig.model_validate(tiny_values(tmp_path, trackers=trackers))
    with pytest.raises(LGVIError, match=r"comet_ml not installed.*pip install comet-ml"):
        build_trainer(config)


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.safetensors")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LGVIError("set max_steps"), "^set max_steps$"),
        (full_disk(), "^weights.safetensors cannot be written: No space left on device$"),
        (SafetensorError("I/O error: No space left"), "cannot be written or read: I/O error"),
    ],
)
def test_what_a_person_can_mend_ends_in_one_message(error, message):
    with pytest.raises(SystemExit, match=message), told_errors():
        raise error


def test_other_errors_keep_their_traceback():
    with pytest.raises(FileNotFoundError), told_errors():
        Path("/nowhere/at/all").read_text()


def test_a_full_disk_behind_pytorchs_own_error_is_told():
    try:
        try:
            raise full_disk()
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0")
    except RuntimeError as error:
        assert _why(error) == "No space left on device"
    unexplained = RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0")
    assert _why(unexplained) == "a file could not be written to its end"
    assert _why(RuntimeError("other")) == "RuntimeError: other"


def test_no_command_speaks_of_kernels_for_inference(caplog):
    """Bitsandbytes says it when it is imported on CPUs with bfloat16, by every command."""
    with caplog.at_level(logging.WARNING):
        logging.getLogger("bitsandbytes.backends.cpu.ops").warning("no gemm_4bit_forward")
        logging.getLogger("bitsandbytes.cextension").warning("what matters")
    assert "gemm_4bit_forward" not in caplog.text
    assert "what matters" in caplog.text


def test_strips_of_all_processes_are_in_the_clips_order(tmp_path, monkeypatch):
    """Clip i is drawn by process i mod n, and stands in row i."""
    from PIL import Image

    from train.lgvi import progress_sheets
    from train.lgvi.config import SampleConfig

    config = SampleConfig(source={**SOURCE, "split": "held-out"}, count=5, frames=1)
    shares = [
        progress_sheets.ProgressSheets(config, (32, 48), 0, Rank(process, 3))
        for process in range(3)
    ]
    names = [[sample.name for sample in share.samples] for share in shares]
    assert [len(share) for share in names] == [2, 2, 1]
    strips = [
        [Image.new("RGB", (4, 4), (40 * (3 * i + p), 0, 0)) for i in range(len(share))]
        for p, share in enumerate(names)
    ]
    monkeypatch.setattr(progress_sheets, "gather_object", lambda _: strips)
    trainer = build_trainer(
        TrainConfig.model_validate(tiny_values(tmp_path, trackers={"names": []}))
    )

    class Three:
        num_processes, is_main_process = 3, True
        trackers: tuple = ()

    monkeypatch.setattr(trainer, "accelerator", Three())
    shares[0].show(strips[0], trainer)
    with Image.open(tmp_path / "samples" / "step-00000000.png") as sheet:
        reds = np.asarray(sheet)[1::6, 1, 0]
    assert reds.tolist() == [0, 40, 80, 120, 160]
