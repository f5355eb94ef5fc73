"""The configuration of `train_lgvi`: a YAML file, validated on reading, with its keys documented.

`configs/lgvi_paper.yaml` is the paper's run, `configs/lgvi_mini.yaml` the bundled model's.
"""

import logging
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from lgvi_core.checkpoint.own_settings import OwnSettings
from lgvi_core.errors import LGVIError

from ..data.readers import DataSource
from ..engine.config import Section, read_run_config
from ..engine.tracking import TrackerConfig
from .data_config import DataConfig

logger = logging.getLogger(__name__)


FREE_TO_CHANGE = (
    "output",
    "threads",
    "cpu",
    "log_every",
    "checkpoint_every",
    "keep_checkpoints",
    "gradient_checkpointing",
    "samples",
    "trackers",
    "data.workers",
    "data.collages.workers",
    "data.collages.folder",
    "data.collages.drawn_elsewhere",
)
"""Keys that may change without notice when a run is resumed."""
MUST_NOT_CHANGE = (
    "unet",
    "text_encoder",
    "lora",
    "ablation",
    "start_from",
    "optimizer.kind",
    "chat.model",
    "chat.end_to_end_weights",
    "chat.lora",
    "chat.feature_length",
)
"""Keys that must not change: the checkpoint's weights or optimizer state would not fit."""


class Rate(Section):
    """A learning rate's peak and its course after the warm-up."""

    peak: float = Field(gt=0, description="highest learning rate")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="how it falls to 0, from `decay_from` on"
    )


class OptimizerConfig(Section):
    """Settings of the optimizer, its learning rates and the averaged weights."""

    kind: Literal["adamw", "adamw8bit"] = Field("adamw", description="8-bit needs bitsandbytes")
    unet: Rate = Field(Rate(peak=3e-5), description="of the U-Net")
    mask_decoder: Rate = Field(
        Rate(peak=1e-4, schedule="cosine"), description="of the mask decoder"
    )
    text_encoder: Rate | None = Field(None, description="null keeps the text encoder as it is")
    warmup_steps: int = Field(500, ge=0, description="linear rise of the learning rates")
    decay_from: float = Field(0, ge=0, lt=1, description="share of the run before they fall")
    weight_decay: float = Field(0.01, ge=0, description="of matrices; vectors have none")
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW's moment decays")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    ema_decay: float | None = Field(
        0.9999, ge=0, lt=1, description="of the average that is exported; null exports the last"
    )

    @property
    def rates(self) -> dict[str, Rate]:
        """The learning rates by the names of the optimizer's groups."""
        rates = {"unet": self.unet, "mask_decoder": self.mask_decoder}
        return rates | ({} if self.text_encoder is None else {"text_encoder": self.text_encoder})


class LossConfig(Section):
    """Weights of Eq. 3's losses, the choice of noise levels, and how often conditions are dropped.

    The shares are probabilities per sample.
    """

    mask_weight: float = Field(0.001, ge=0, description="lambda_2, of the mask loss")
    mask_time_weight: bool = Field(True, description="mask loss times 4 t (T - t) / T^2")
    language_weight: float = Field(0.1, ge=0, description="of train_lgvi_i's replies, Eq. 5")
    attribute_weight: float = Field(
        0, ge=0, description="of train.lgvi.attributes' loss on the U-Net's features; needs a cache"
    )
    object_weight: float = Field(1.0, ge=1, description="of objects; the background has 1")
    high_noise_share: float = Field(0, ge=0, le=1, description="of timesteps >= high_noise_from")
    high_noise_from: int = Field(
        750, ge=0, description="where high noise begins, below the scheduler's timesteps"
    )
    drop_text: float = Field(0.05, ge=0, le=1, description='share of samples with the text ""')
    drop_video: float = Field(0.05, ge=0, le=1, description="share with zeros for the source")
    drop_both: float = Field(0.05, ge=0, le=1, description="share with neither")

    @model_validator(mode="after")
    def _shares(self) -> Self:
        total = self.drop_text + self.drop_video + self.drop_both
        if total > 1 + 1e-9:
            raise ValueError(
                f"drop_text, drop_video and drop_both are shares of the same samples: {total:g} "
                "together is more than 1"
            )
        return self


class AblationConfig(Section):
    """The switches of the paper's ablations (Table 4); the full method has all on."""

    full_fine_tuning: bool = Field(True, description="off: train only what inflation has added")
    mask_supervision: bool = Field(True, description="off: no mask decoder")
    video_inflation: bool = Field(True, description="off: frames one by one, nothing along time")
    image_joint_training: bool = Field(True, description="off: clips only")


class LoraConfig(Section):
    """Settings of LoRA layers (peft), which are trained instead of the U-Net's own weights."""

    rank: int = Field(16, gt=0, description="of every addition")
    alpha: int = Field(16, gt=0, description="the addition is scaled by alpha / rank")
    targets: tuple[str, ...] = Field(
        ("to_q", "to_k", "to_v", "to_out.0"), description="ends of the layers' names"
    )


class SampleConfig(Section):
    """Progress sheets: images with source, result, target and mask of a few clips."""

    every: int = Field(1000, gt=0, description="steps between pictures")
    source: DataSource = Field(description="data set that the clips come from")
    count: int = Field(4, gt=0, description="clips in the picture, the data set's first ones")
    frames: int = Field(8, gt=0, description="frames of each")
    steps: int = Field(20, gt=0, description="DDIM steps")
    text_scale: float = Field(3.0, description="guidance by the text")
    video_scale: float = Field(1.5, description="guidance by the source")


class DistillConfig(Section):
    """Distillation of a teacher's guided steps into a few unguided ones; see train.distill."""

    steps: int = Field(1, ge=1, le=8, description="of the student, unguided")
    teacher: Path | None = Field(None, description="diffusers folder or file; null: start_from")
    teacher_steps: int = Field(
        10, gt=0, description="of the teacher, trailing; a multiple of `steps`"
    )
    text_scale: float = Field(3.0, ge=0, description="the teacher's guidance by the text")
    video_scale: float = Field(1.5, ge=0, description="the teacher's guidance by the source")

    @model_validator(mode="after")
    def _steps_fit(self) -> Self:
        if self.teacher_steps % self.steps:
            raise ValueError("teacher_steps must be a multiple of steps")
        return self


class TrainConfig(Section):
    """The configuration of one run of `train_lgvi`."""

    output: Path = Field(description="folder for checkpoints, TensorBoard logs and pictures")
    start_from: Path | None = Field(
        None,
        description="diffusers folder of an LGVI or of an image model: InstructPix2Pix, "
        "MagicBrush, Stable Diffusion 1.5; null is random",
    )
    vae: Path | None = Field(None, description="AutoencoderTiny or -KL folder; null: start_from's")
    tokenizer: Path | None = Field(None, description="CLIP tokenizer folder; null: start_from's")
    seed: int = Field(0, ge=0, description="of weights, batches and noise")
    max_steps: int = Field(gt=0, description="optimizer steps of the whole run")
    max_minutes: float | None = Field(
        None, gt=0, description="training time after which the run ends before max_steps"
    )
    mixed_precision: Literal["no", "fp16", "bf16"] = Field("no", description="accelerate's")
    gradient_accumulation: int = Field(1, gt=0, description="parts a step's batch is cut into")
    gradient_checkpointing: bool = Field(False, description="less memory, a third more time")
    attention: Literal["sdpa", "matmul", "xformers"] = Field(
        "sdpa", description="matmul is faster on a CPU; xformers must be installed"
    )
    compile: bool = Field(False, description="torch.compile for single frames: minutes to start")
    threads: int | None = Field(None, gt=0, description="CPU threads per process; null: PyTorch's")
    cpu: bool = Field(False, description="stay on the CPU where there is a GPU")
    log_every: int = Field(50, gt=0, description="steps between log entries")
    checkpoint_every: int = Field(500, gt=0, description="steps between checkpoints")
    keep_checkpoints: int = Field(2, gt=0, description="newest checkpoints that are kept")
    trackers: TrackerConfig = TrackerConfig()
    condition_input: Literal["start_from", "zeros"] = Field(
        "start_from",
        description="first weights of Conv_x (Eq. 2) where start_from is an image model: those of "
        "its condition, or the paper's zeros",
    )
    unet: dict[str, Any] = Field({}, description="InflatedUNet's config, or changes to it")
    text_encoder: dict[str, Any] = Field({}, description="CLIPTextModel's config, from random")
    scheduler: dict[str, Any] = Field({}, description="DDIMScheduler's config, or changes to it")
    data: DataConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    ablation: AblationConfig = AblationConfig()
    lora: LoraConfig | None = None
    settings: OwnSettings | None = Field(
        None, description="that the exported model wants; null: start_from's, or the official ones"
    )
    samples: SampleConfig | None = None
    distill: DistillConfig | None = Field(None, description="only for train.distill")

    @model_validator(mode="after")
    def _whole_samples_to_distil(self) -> Self:
        if self.distill is None:
            return self
        if self.start_from is None:
            raise ValueError("distill needs a model that the student starts from: set start_from")
        loss = self.loss
        if loss.drop_text or loss.drop_video or loss.drop_both:
            raise ValueError(
                "a student evaluates no branch without text or video: set loss.drop_text, "
                "drop_video and drop_both to 0"
            )
        if not self.ablation.video_inflation:
            raise ValueError("distill works on whole clips: leave ablation.video_inflation on")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.start_from is None:
            needed = ("vae", "tokenizer", "unet", "text_encoder", "scheduler")
            missing = [name for name in needed if not getattr(self, name)]
            if missing:
                raise ValueError(f"training from random weights needs {', '.join(missing)}")
            if self.lora is not None:
                raise ValueError("lora needs the weights that it adds to: set start_from")
            if self.optimizer.text_encoder is None:
                raise ValueError("a random text encoder must be trained: set its learning rate")
        elif self.text_encoder:
            raise ValueError("text_encoder is start_from's own; leave it out")
        if self.lora is not None and self.optimizer.text_encoder is not None:
            raise ValueError("lora trains the U-Net alone: set optimizer.text_encoder to null")
        if self.loss.attribute_weight > 0 and self.data.cache is None:
            raise ValueError("attribute_weight needs generated scenes: set data.cache")
        for name in ("batch_images", "batch_videos"):
            if getattr(self.data, name) % self.gradient_accumulation:
                raise ValueError(f"{name} must be a multiple of gradient_accumulation")
        if not self.ablation.image_joint_training and self.data.video_from > 0:
            raise ValueError("without image_joint_training, video_from must be 0")
        return self


def check_changes(config: TrainConfig) -> None:
    """Compare the configuration of a resumed run with its last one, and log the changes.

    Raises LGVIError if the checkpoint would not fit the changed configuration.
    """
    before = _flat(read_run_config(config.output, type(config)).model_dump(mode="json"))
    now = _flat(config.model_dump(mode="json"))
    changed = [
        key
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not _is_in(key, FREE_TO_CHANGE)
    ]
    lines = [f"  {key}: {before.get(key)} -> {now.get(key)}" for key in changed]
    heads = {values["loss.attribute_weight"] > 0 for values in (before, now)}
    averages = {values.get("optimizer.ema_decay") is None for values in (before, now)}
    text_encoders = {values.get("optimizer.text_encoder.peak") is None for values in (before, now)}
    strange = [key for key in changed if _is_in(key, MUST_NOT_CHANGE)]
    if strange or len(heads) > 1 or len(averages) > 1 or len(text_encoders) > 1:
        raise LGVIError(
            f"{config.output} holds a run of another model: choose another `output`, or take back\n"
            + "\n".join(lines)
        )
    if lines:
        logger.warning("the run goes on with a changed configuration:\n%s", "\n".join(lines))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables into one, with keys such as "optimizer.unet.peak"."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat


def _is_in(key: str, sections: tuple[str, ...]) -> bool:
    return any(key == section or key.startswith(f"{section}.") for section in sections)
