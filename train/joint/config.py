"""Configuration of `train_lgvi_i`: that of `train_lgvi`, and a section on the chat model."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from lgvi_core.chat.format import FeatureSpan

from ..engine.config import CONFIG_FILE, Section
from ..lgvi.config import LoraConfig, Rate, TrainConfig


class ChatLoraConfig(LoraConfig):
    """Settings of LoRA on the language model's layers."""

    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj"), description="ends of the layers' names"
    )


class ChatSection(Section):
    """Settings of the LLaVA, whose token embeddings, projector and MM head are trained."""

    model: Path = Field(description="LLaVA folder: Hugging Face's layout, or the original 1.5's")
    end_to_end_weights: Path | None = Field(
        None, description="llava_weights.pth to go on from; null starts with a random MM head"
    )
    rate: Rate = Field(Rate(peak=1e-4), description="of token embeddings and projector")
    mm_head_rate: Rate | None = Field(
        None, description="of the MM head, which may start from nothing; null is rate"
    )
    lora: ChatLoraConfig | None = Field(
        None, description="additions to the language model, which else is frozen"
    )
    frozen_dtype: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="of the weights that are not trained"
    )
    features: FeatureSpan = Field(
        "to_end", description="tokens whose states the MM head gets: the released code's to_end"
    )
    feature_length: int = Field(
        77, gt=0, le=4096, description="features are cut or filled up with zeros to this many"
    )

    @property
    def rates(self) -> dict[str, Rate]:
        """Learning rates, keyed by the names of the optimizer's groups."""
        return {"chat": self.rate, "mm_head": self.mm_head_rate or self.rate}


def run_config_kind(run: Path) -> type[TrainConfig]:
    """Return the class of the configuration in a run's folder: `train_lgvi`'s or `train_lgvi_i`'s.

    The class is `train_lgvi`'s also where the file cannot be read.
    """
    try:
        values = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return TrainConfig  # the caller reads the file next, which raises what is wrong with it
    return JointConfig if isinstance(values, dict) and "chat" in values else TrainConfig


class JointConfig(TrainConfig):
    """Settings of one run of LGVI-I, which starts from an LGVI and a LLaVA."""

    chat: ChatSection

    @model_validator(mode="after")
    def _joint(self) -> Self:
        if self.start_from is None:
            raise ValueError("LGVI-I starts from an LGVI: set start_from")
        if self.optimizer.text_encoder is not None:
            raise ValueError("LGVI-I has no text encoder: set optimizer.text_encoder to null")
        if self.lora is not None:
            raise ValueError("lora is train_lgvi's; the chat model's additions are chat.lora")
        if self.chat.frozen_dtype != "fp32" and self.mixed_precision == "no":
            raise ValueError("chat.frozen_dtype below fp32 needs mixed_precision")
        if not self.ablation.video_inflation:
            raise ValueError("LGVI-I is trained on clips: leave ablation.video_inflation on")
        return self
