"""Distillation: what a student learns, and that it is run, resumed and exported as any training."""

from pathlib import Path

import pytest
import torch
import yaml
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from pydantic import ValidationError

from lgvi_core.checkpoint.checkpoint import DEFAULT_SCHEDULER, load_checkpoint
from lgvi_core.errors import LGVIError
from support.tiny_checkpoint import write_checkpoint
from support.train_run import OWN_PARTS, tiny_values
from train.distill import distill
from train.export import export
from train.lgvi.batch import Batch
from train.lgvi.config import TrainConfig
from train.lgvi.distill import Distillation, taught
from train.train_lgvi import build_trainer, train

SHAPE = (3, 4, 2, 4, 4)
DISTIL = {"steps": 2, "teacher_steps": 4, "text_scale": 3.0, "video_scale": 1.5}


def schedule(**changes) -> DDIMScheduler:
    values = {**DEFAULT_SCHEDULER, "timestep_spacing": "trailing", **changes}
    return DDIMScheduler.from_config(values)


def batch_of(t: list[int]) -> Batch:
    zeros = torch.zeros(len(t), 1, *SHAPE[2:])
    yes = torch.ones(len(t), dtype=torch.bool)
    noise = torch.randn(len(t), *SHAPE[1:])
    text = torch.zeros(len(t), 77, dtype=torch.long)
    return Batch(noise, noise, zeros, zeros, text, torch.tensor(t), noise, yes, yes)


def way(scheduler: DDIMScheduler, noise: torch.Tensor, steps: int, predict) -> list[torch.Tensor]:
    """The latents of DDIM before its first step and after each."""
    scheduler.set_timesteps(steps)
    states = [noise]
    for t in scheduler.timesteps:
        states.append(scheduler.step(predict(states[-1], t), t, states[-1]).prev_sample)
    return states


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("steps", "teacher_steps"), [(1, 10), (2, 10), (4, 4)])
def test_one_step_of_the_student_goes_where_the_teacher_went(prediction, steps, teacher_steps):
    torch.manual_seed(0)
    scheduler = schedule(prediction_type=prediction)
    batch = batch_of([0, 501, 999])
    states = way(scheduler, batch.noise, teacher_steps, lambda z, t: (z * 0.7).tanh())
    made = taught(batch, states, scheduler, steps)
    student = schedule(prediction_type=prediction)
    student.set_timesteps(steps)
    assert set(made.t.tolist()) <= set(student.timesteps.tolist())
    z_t = student.add_noise(made.target, made.noise, made.t)
    for row, t in enumerate(made.t):
        number = student.timesteps.tolist().index(int(t))
        each = teacher_steps // steps
        assert torch.allclose(z_t[row], states[number * each][row], atol=1e-4)
        if prediction == "epsilon":
            output = made.noise[row]
        else:
            output = student.get_velocity(made.target, made.noise, made.t)[row]
        after = student.step(output[None], t, z_t[row][None]).prev_sample[0]
        assert torch.allclose(after, states[(number + 1) * each][row], atol=1e-3)


def test_every_step_of_the_student_is_learned():
    scheduler = schedule()
    batch = batch_of([0, 1, 2])
    states = way(scheduler, batch.noise, 6, lambda z, t: z * 0.5)
    assert sorted(taught(batch, states, scheduler, 3).t.tolist()) == [332, 666, 999]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("teacher") / "tiny")


def config_of(output: Path, teacher: Path, **changes) -> TrainConfig:
    none = {"drop_text": 0.0, "drop_video": 0.0, "drop_both": 0.0}
    values = {
        **OWN_PARTS,
        "start_from": str(teacher),
        "max_steps": 4,
        "loss": none,
        "optimizer": {"text_encoder": None},
        "distill": DISTIL,
        **changes,
    }
    return TrainConfig.model_validate(tiny_values(output, **values))


def test_a_student_that_has_nothing_to_learn_has_no_loss(tmp_path, teacher):
    """As many unguided steps as its teacher makes: its own weights are the answer."""
    same = {"steps": 2, "teacher_steps": 2, "text_scale": 1.0, "video_scale": 1.0}
    trainer = build_trainer(config_of(tmp_path / "same", teacher, distill=same), Distillation)
    batch = next(iter(trainer.loader(0)))
    assert trainer.task.losses(trainer.model, batch)["diffusion"].item() < 1e-6
    other = build_trainer(config_of(tmp_path / "guided", teacher), Distillation)
    assert other.task.losses(other.model, batch)["diffusion"].item() > 1e-3


def test_a_run_is_resumed_and_exported_with_its_own_settings(tmp_path, teacher):
    steady = {"peak": 1e-3}  # rates that do not depend on how long the run is to be
    rates = {"unet": steady, "mask_decoder": steady, "text_encoder": None}
    distill(config_of(tmp_path / "run", teacher, optimizer=rates))
    distill(config_of(tmp_path / "parts", teacher, optimizer=rates, max_steps=2))
    distill(config_of(tmp_path / "parts", teacher, optimizer=rates))
    found = []
    for run in ("run", "parts"):
        export(tmp_path / run, tmp_path / f"{run}.safetensors", "none", torch.float32)
        found.append(load_checkpoint(tmp_path / f"{run}.safetensors"))
    whole, parts = found
    assert all(torch.equal(tensor, parts.unet[name]) for name, tensor in whole.unet.items())
    own = whole.own_settings
    assert (own.steps, own.text_scale, own.video_scale, own.scheduler) == (2, 1.0, 1.0, "simple")
    assert own.working_size == load_checkpoint(teacher).own_settings.working_size
    before = load_checkpoint(teacher).unet
    assert any(not torch.equal(tensor, before[name]) for name, tensor in whole.unet.items())


def test_a_lora_can_be_the_student(tmp_path, teacher):
    config = config_of(
        tmp_path / "run", teacher, max_steps=2, lora={"rank": 2, "alpha": 2},
        optimizer={"text_encoder": None, "ema_decay": None},
    )  # fmt: skip
    distill(config)
    export(tmp_path / "run", tmp_path / "lora.safetensors", "none")
    assert (tmp_path / "lora.safetensors").is_file()


def test_the_right_script_runs_it(tmp_path, teacher):
    config = config_of(tmp_path / "run", teacher)
    with pytest.raises(LGVIError, match=r"train\.distill runs it"):
        train(config)
    with pytest.raises(LGVIError, match=r"train\.train_lgvi runs it"):
        distill(config.model_copy(update={"distill": None}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distill": {**DISTIL, "teacher_steps": 5}}, "must be a multiple of steps"),
        ({"loss": {"drop_text": 0.1}}, "no branch without text or video"),
        ({"ablation": {"video_inflation": False}}, "whole clips"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, teacher, changes, message):
    with pytest.raises(ValidationError, match=message):
        config_of(tmp_path / "run", teacher, **changes)


def test_another_noise_schedule_is_refused(tmp_path, teacher):
    config = config_of(tmp_path / "run", teacher, scheduler={"beta_end": 0.02})
    with pytest.raises(LGVIError, match="different noise schedules"):
        build_trainer(config, Distillation)


def test_the_configuration_beside_the_scripts_is_whole():
    path = Path(__file__).parents[2] / "train" / "configs" / "lgvi_mini_distill.yaml"
    config = TrainConfig.model_validate(yaml.safe_load(path.read_text()))
    assert config.distill is not None
