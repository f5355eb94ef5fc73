"""LGVI-I in training: the U-Net, with the chat model in the place of the text encoder."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from lgvi_core.chat.format import ChatFormat
from lgvi_core.chat.llava import Llava, MMHead
from lgvi_core.chat.model import ChatModel, load_chat
from lgvi_core.checkpoint.files import read_json
from lgvi_core.config import read_unet_config
from lgvi_core.errors import LGVIError

from ..chat.encoder import IGNORED, ConversationEncoder
from ..lgvi.batch import ChatInput
from ..lgvi.lora import add_lora
from ..lgvi.model import LGVI, Predictions, build_model
from .config import ChatSection, JointConfig

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TRAINED = ("embed_tokens.", "multi_modal_projector.", "mm_head.")
"""Parts of the names of the chat model's trained parameters (Sec. 4.2)."""


def is_trained(name: str) -> bool:
    """Whether the chat model's parameter `name` is trained: one of TRAINED, or one of LoRA."""
    return any(part in name for part in (*TRAINED, ".lora_"))


class JointModel(LGVI):
    """U-Net and chat model as one module, with one forward pass and one set of gradients."""

    def __init__(self, video: LGVI, chat: Llava) -> None:
        super().__init__(video.unet, None, with_attributes=False)
        self.attribute_heads = video.attribute_heads
        self.compiled = video.compiled
        self.chat: Any = chat

    def forward(
        self, z_t: Tensor, t: Tensor, text: Any, has_text: Tensor, c_x: Tensor
    ) -> Predictions:
        """Predict as `LGVI` does, with conversations (`ChatInput`) as `text`.

        The text features are zeros where `has_text` is False. The predictions include the
        language loss.
        """
        chat: ChatInput = text
        states = self._states(chat)
        picked = states.gather(1, chat.span[..., None].expand(-1, -1, states.shape[-1]))
        features = self.chat.mm_head(picked.to(self.chat.mm_head.layers[0].weight.dtype))
        features = features * (chat.inside & has_text[:, None])[..., None]
        predictions = self.predict(z_t, t, features, c_x)
        return predictions._replace(language_loss=self._language_loss(states, chat.labels))

    def _states(self, chat: ChatInput) -> Tensor:
        """Return the last layer's hidden states [b, n, hidden]."""
        llava: Any = self.chat.llava
        pixels = rearrange(chat.pixels, "b m c h w -> (b m) c h w")
        output = llava.model(
            input_ids=chat.tokens, pixel_values=pixels.to(llava.dtype), use_cache=False
        )
        return output.last_hidden_state

    def _language_loss(self, states: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the replies, averaged per sample first.

        So every sample counts the same, however long its replies are.
        """
        there = labels[:, 1:] != IGNORED
        sample = there.nonzero()[:, 0]
        logits = self.chat.llava.lm_head(states[:, :-1][there])
        entropy = F.cross_entropy(logits.float(), labels[:, 1:][there], reduction="none")
        per_sample = torch.zeros(len(labels), device=entropy.device).index_add(0, sample, entropy)
        return (per_sample / there.sum(1).clamp(min=1)).mean()


def text_width(config: JointConfig) -> int:
    """Return the width of the text features that a run's U-Net reads."""
    assert config.start_from is not None
    path = config.start_from / "unet" / "config.json"
    own = read_unet_config(read_json(path), str(path)).model_dump()
    return read_unet_config({**own, **config.unet}, str(path)).cross_attention_dim


def load_chat_of(
    config: ChatSection, text_features: int, frozen: torch.dtype | None = None
) -> ChatModel:
    """Load the chat model to start from, with an MM head of width `text_features`.

    What is trained is in float32, and the rest in `frozen`, from the beginning: a 7B model in
    float32 takes 28 GB in every process. `frozen` is the configured type by default. The MM head is
    a new one where the model brings none. Raises LGVIError where the one that it brings has another
    width.
    """
    chat = load_chat(
        config.model,
        dtype=frozen or DTYPES[config.frozen_dtype],
        released_parts=config.end_to_end_weights,
        full_precision=TRAINED,
    )
    if chat.text_features is None:
        chat.llava.mm_head = MMHead(chat.config.text_config.hidden_size, text_features)
    elif chat.text_features != text_features:
        raise LGVIError(
            f"{config.model}: its MM head makes features of width {chat.text_features}, the U-Net "
            f"reads {text_features}: choose the chat model that belongs to it, or one without"
        )
    chat.format = ChatFormat(
        **chat.format.model_dump(exclude={"features", "feature_length"}),
        features=config.features,
        feature_length=config.feature_length,
    )
    return chat


def encoder_of(chat: ChatModel) -> ConversationEncoder:
    """Return the encoder of conversations for `chat`."""
    patch = chat.config.vision_config.patch_size
    return ConversationEncoder(
        chat.tokenizer, chat.image_token, chat.image_size, patch, chat.format
    )


def build_joint(config: JointConfig, chat: ChatModel) -> JointModel:
    """Put the two networks together, with all weights frozen that are not trained."""
    video = build_model(config, with_text_encoder=False)
    video.unet.config = video.unet.config.model_copy(update={"text_features": ("mm_head",)})
    model = JointModel(video, chat.llava)
    _choose_trained(model, config)
    return model


def _choose_trained(model: JointModel, config: JointConfig) -> None:
    chat: Any = model.chat
    if config.chat.lora is not None:
        add_lora(chat.llava.model.language_model, config.chat.lora)
    # This must follow `add_lora`, because peft freezes all weights but its own.
    for name, parameter in chat.named_parameters():
        trained = is_trained(name)
        parameter.requires_grad_(trained)
        # LoRA's additions begin in the type of the frozen weights that they belong to.
        dtype = torch.float32 if trained else DTYPES[config.chat.frozen_dtype]
        parameter.data = parameter.data.to(dtype)
    chat.train()
    if config.gradient_checkpointing:
        chat.llava.gradient_checkpointing_enable({"use_reentrant": False})
