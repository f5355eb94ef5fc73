"""Distillation: the targets of a step are where a teacher's many guided steps lead.

The teacher samples from the batch's noise, with its guidance, in evenly spaced steps. The student
is to go the same way in `steps` unguided ones. Its target x_0 at each of them is the one that takes
DDIM in one step to where the teacher is after several: progressive distillation (Salimans and Ho
2022) of a guided teacher (Meng et al. 2023), in a single stage.

Such a target is a batch like any other: a target and a noise that give the teacher's latents when
they are mixed at the step's timestep. So all losses, weights and masks stay those of training.
"""

from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor, nn

from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.sampling import sample
from lgvi_core.settings import SamplingSettings

from .batch import Batch, ChatInput
from .config import TrainConfig
from .objective import VideoObjective


class Distillation(VideoObjective):
    """The losses of a student whose targets a teacher makes."""

    def __init__(
        self,
        config: TrainConfig,
        accelerator: Accelerator,
        scheduler: DDIMScheduler,
        vae: Any,
    ) -> None:
        """Load the teacher; raises LGVIError where its noise schedule is not the student's."""
        super().__init__(config, accelerator, scheduler, vae)
        assert config.distill is not None
        self.settings = config.distill
        teacher = self.teacher = open_teacher(config, accelerator.device)
        self.teacher_scheduler = DDIMScheduler.from_config(
            teacher.scheduler.config, timestep_spacing="trailing"
        )
        if not torch.equal(self.teacher_scheduler.alphas_cumprod, scheduler.alphas_cumprod):
            raise LGVIError(
                "teacher and student have different noise schedules: of `scheduler`, change "
                "prediction_type alone"
            )
        self.empty = teacher.encode_text("")

    def to_latents(self, batch: Batch) -> Batch:
        """The encoded batch, with the teacher's way in place of its target, noise and timesteps."""
        batch = super().to_latents(batch)
        assert not isinstance(batch.text, ChatInput)
        with torch.no_grad(), self.accelerator.autocast():
            text = self.teacher.text_encoder(batch.text).last_hidden_state
        states = self._way(batch, text)
        return taught(batch, states, self.teacher_scheduler, self.settings.steps)

    def _way(self, batch: Batch, text: Tensor) -> list[Tensor]:
        """The teacher's latents before its first step and after each one."""
        settings = self.settings
        states = [batch.noise]
        sample(
            self.teacher.unet,
            self.teacher_scheduler,
            batch.noise,
            batch.source,
            text,
            self.empty.to(text).expand_as(text),
            SamplingSettings(
                steps=settings.teacher_steps,
                text_scale=settings.text_scale,
                video_scale=settings.video_scale,
                guidance_start=0.0,
                guidance_end=1.0,
            ),
            callback=lambda _done, _total, z_t: states.append(z_t),
        )
        # Training may not save tensors of inference mode for its backward pass.
        return [state.clone() for state in states]


def taught(batch: Batch, states: list[Tensor], scheduler: DDIMScheduler, steps: int) -> Batch:
    """The batch whose noised targets are the teacher's latents at the student's timesteps.

    `states` are the teacher's latents [b, 4, f, h, w] before its first step and after each, of a
    trailing DDIM schedule whose number of steps is a multiple of the student's `steps`. The
    timesteps of the batch choose which of the student's steps each of its samples learns.
    """
    each = (len(states) - 1) // steps
    scheduler.set_timesteps(len(states) - 1, device=batch.noise.device)
    timesteps = scheduler.timesteps[::each].to(batch.t.device)
    ends = scheduler.alphas_cumprod.to(batch.noise)[timesteps.roll(-1).cpu()]
    ends[-1] = scheduler.final_alpha_cumprod
    chosen = batch.t % steps
    t = timesteps[chosen]
    stack = torch.stack(states)
    rows = torch.arange(len(chosen), device=chosen.device)
    z_t, z_s = (stack[(chosen + after) * each, rows] for after in (0, 1))
    # alpha and sigma of the step's start (t) and end (s).
    alpha_t, sigma_t = _mixing(scheduler.alphas_cumprod.to(batch.noise)[t.cpu()].to(z_t))
    alpha_s, sigma_s = _mixing(ends[chosen.cpu()].to(z_t))
    ratio = sigma_s / sigma_t
    x_0 = (z_s - ratio * z_t) / (alpha_s - ratio * alpha_t)
    noise = (z_t - alpha_t * x_0) / sigma_t
    return replace(batch, target=x_0, noise=noise, t=t.to(batch.t))


def _mixing(alpha_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    """The weights [b, 1, 1, 1, 1] of target and noise in noised latents."""
    alpha = alpha_cumprod[:, None, None, None, None]
    return alpha.sqrt(), (1 - alpha).sqrt()


def open_teacher(config: TrainConfig, device: torch.device) -> LGVIPipeline:
    """Load the teacher: the configured one, or the model that the student starts from.

    Raises LGVIError where it is no whole model that reads sentences.
    """
    assert config.distill is not None
    path = config.distill.teacher or config.start_from
    assert path is not None
    teacher = LGVIPipeline.from_checkpoint(path, device)
    if teacher.text_encoder is None:
        raise LGVIError(f"{path}: a teacher has to read sentences; this one is end to end")
    for network in (teacher.unet, teacher.text_encoder):
        _freeze(network)
    return teacher


def _freeze(network: nn.Module) -> None:
    network.requires_grad_(False).eval()
