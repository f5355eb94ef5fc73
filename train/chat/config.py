"""Configuration of `train_chat`: a YAML file, validated on reading. The keys are documented here.

`configs/chat_mini.yaml` and `configs/chat_mini_more.yaml` are the bundled chat model's.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lgvi_core.errors import LGVIError

from ..engine.config import Section, read_run_config
from ..engine.tracking import TrackerConfig

_MODEL_KEYS = ("seed", "system_prompt", "vocabulary", "vision", "text")


class ChatDataConfig(Section):
    """Settings of the pictures and conversations; sizes are totals over all processes."""

    cache: Path = Field(description="scenes drawn by train.chat.frames")
    batch: int = Field(32, gt=0, description="pictures in a step, each with a conversation")
    apart_pictures: int = Field(
        128, gt=0, description="pictures in a step of the part where the two learn apart"
    )
    apart_talks: int = Field(
        128,
        gt=0,
        description="conversations in such a step; they have no pictures, but are told the scene",
    )
    turns: tuple[int, ...] = Field(
        (1, 2, 3, 4),
        min_length=1,
        description="lengths of the conversations, one per step: further turns about a picture "
        "cost little",
    )
    fewer_share: float = Field(
        0.35, ge=0, le=1, description="of scenes with several objects that show fewer of them"
    )
    free_share: float = Field(
        0, ge=0, le=1, description="of conversations with train.data.language.free_talk's wording"
    )
    empty_share: float = Field(0.03, ge=0, le=1, description="of pictures of the background alone")


class ChatOptimizerConfig(Section):
    """Settings of AdamW; the learning rates rise linearly, stay, and fall linearly to 0."""

    vision: float = Field(1e-3, gt=0, description="peak rate of vision tower, projector and heads")
    language: float = Field(1e-3, gt=0, description="peak rate of the language model")
    warmup_steps: int = Field(100, ge=0, description="steps until the peak")
    decay_from: float = Field(0.5, ge=0, lt=1, description="share of the run before they fall")
    weight_decay: float = Field(0.05, ge=0, description="of matrices; vectors have none")
    betas: tuple[float, float] = Field((0.9, 0.98), description="AdamW's moment decays")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    ema_decay: float = Field(0.998, ge=0, lt=1, description="of the average that is exported")

    @property
    def rates(self) -> dict[str, float]:
        """Peak learning rates, keyed by the names of the optimizer's groups."""
        return {"vision": self.vision, "language": self.language}


class ChatConfig(Section):
    """Settings of one run, which starts from random weights or from another run's."""

    output: Path = Field(description="folder for checkpoints, tokenizer and TensorBoard logs")
    start_from: Path | None = Field(
        None,
        description="output folder of a run of the same model: begin with its averaged weights and "
        "its tokenizer; null: random weights",
    )
    seed: int = Field(0, ge=0, description="of weights and batches")
    max_steps: int = Field(gt=0, description="optimizer steps of the whole run")
    max_minutes: float | None = Field(
        None, gt=0, description="training time after which the run ends before max_steps"
    )
    apart_until: float = Field(
        0,
        ge=0,
        le=1,
        description="share of the run in which the language model is told the scene in words, and "
        "the vision tower learns attributes alone: cheaper, while neither could use the other",
    )
    attribute_weight: float = Field(
        0.5, ge=0, description="of the loss on what the pictures' patches show"
    )
    mixed_precision: Literal["no", "fp16", "bf16"] = Field("no", description="accelerate's")
    threads: int | None = Field(None, gt=0, description="CPU threads per process; null: PyTorch's")
    cpu: bool = Field(False, description="stay on the CPU where there is a GPU")
    log_every: int = Field(50, gt=0, description="steps between log entries")
    checkpoint_every: int = Field(500, gt=0, description="steps between checkpoints")
    keep_checkpoints: int = Field(2, gt=0, description="newest checkpoints that are kept")
    trackers: TrackerConfig = TrackerConfig()
    check_every: int = Field(500, gt=0, description="steps between checks on held-out clips")
    check_count: int = Field(100, ge=0, description="held-out conversations per check; 0: none")
    system_prompt: str = Field("You find what to remove.", description="first words of every text")
    vocabulary: int = Field(1000, ge=300, description="most tokens of the byte-level BPE")
    vision: dict[str, Any] = Field(description="CLIPVisionConfig")
    text: dict[str, Any] = Field(description="LlamaConfig, without the vocabulary")
    data: ChatDataConfig
    optimizer: ChatOptimizerConfig = ChatOptimizerConfig()

    # The training loop reads it from any run's configuration.
    gradient_accumulation: Literal[1] = 1


def check_changes(config: ChatConfig) -> None:
    """Raise LGVIError where the run in the output folder is one of another model."""
    before = read_run_config(config.output, ChatConfig)
    changed = [key for key in _MODEL_KEYS if getattr(before, key) != getattr(config, key)]
    if changed:
        raise LGVIError(
            f"{config.output} holds a run of another model ({', '.join(changed)} changed): choose "
            "another `output`, or take the changes back"
        )
