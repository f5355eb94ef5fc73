"""The training configuration: a YAML file checked on reading. The keys are documented here."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """What is trained on."""

    cache: Path = Field(description="folder of latent shards written by train.latent_cache")
    video_from: float = Field(0.5, ge=0, le=1, description="share of the run with images only")
    video_share: float = Field(0.5, ge=0, le=1, description="share of batches of clips after that")
    batch_images: int = Field(32, gt=0, description="single frames per step and process")
    batch_videos: int = Field(8, gt=0, description="whole clips per step and process")
    video_frames: tuple[int, ...] = Field(
        (4,), description="lengths that clips are cut to, one per batch; shorter ones are more"
    )


class OptimizerConfig(_Section):
    """How the weights move."""

    learning_rate: float = Field(8e-4, gt=0, description="of the U-Net and the text encoder")
    mask_learning_rate: float = Field(8e-4, gt=0, description="of the mask decoder")
    warmup_steps: int = Field(100, ge=0, description="linear rise of the learning rates")
    decay_from: float = Field(0.5, ge=0, lt=1, description="share of the run before the fall to 0")
    weight_decay: float = Field(0.01, ge=0, description="of matrices; vectors have none")
    betas: tuple[float, float] = Field((0.9, 0.98), description="AdamW's moment decays")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="of the average that is exported")


class LossConfig(_Section):
    """Weights of Eq. 3's losses, the noise levels they see, and what is withheld."""

    mask_weight: float = Field(0.3, ge=0, description="lambda_2, of the mask loss")
    object_weight: float = Field(4.0, ge=1, description="of the removed area, background is 1")
    high_noise_share: float = Field(0.6, ge=0, le=1, description="of timesteps from high_noise_from")
    high_noise_from: int = Field(750, ge=0, lt=1000, description="where high noise begins")
    drop_text: float = Field(0.06, ge=0, le=1, description='share of samples with the text ""')
    drop_video: float = Field(0.04, ge=0, le=1, description="share with zeros for the source")
    drop_both: float = Field(0.04, ge=0, le=1, description="share with neither")


class TrainConfig(_Section):
    """One run, from random weights to an exported folder."""

    output: Path = Field(description="folder for checkpoints, log and the export")
    vae: Path = Field(description="AutoencoderTiny folder from train.train_autoencoder")
    tokenizer: Path = Field(description="folder with CLIP's vocab.json and merges.txt")
    seed: int = Field(0, description="of weights, batches and noise")
    minutes: float | None = Field(None, gt=0, description="length of the run, or max_steps")
    max_steps: int | None = Field(None, gt=0, description="length of the run, or minutes")
    mixed_precision: str = Field("no", pattern="^(no|fp16|bf16)$", description="accelerate's")
    threads: int = Field(1, gt=0, description="CPU threads per process")
    cpu: bool = Field(False, description="stay on the CPU where there is a GPU")
    matmul_attention: bool = Field(False, description="faster than the fused one on a CPU")
    log_every: int = Field(50, gt=0, description="steps between log lines")
    checkpoint_minutes: float = Field(5, gt=0, description="minutes between checkpoints")
    unet: dict[str, Any] = Field(description="InflatedUNet's config")
    text_encoder: dict[str, Any] = Field(description="CLIPTextModel's config")
    scheduler: dict[str, Any] = Field(description="DDIMScheduler's config")
    data: DataConfig
    optimizer: OptimizerConfig
    loss: LossConfig

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.minutes is None) == (self.max_steps is None):
            raise ValueError("give the run's length as either minutes or max_steps")
        return self


def read_config(path: Path) -> TrainConfig:
    """Reads and checks a YAML file; a wrong or unknown key raises pydantic's error naming it."""
    return TrainConfig.model_validate(yaml.safe_load(path.read_text()))
