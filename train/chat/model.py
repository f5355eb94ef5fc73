"""The small LLaVA with random weights, its training losses and its optimizer."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from lgvi_core.chat.conversation import IMAGE

from ..lgvi.attributes import AttributeHeads, attribute_loss
from .batches import ChatBatch
from .config import ChatConfig, ChatOptimizerConfig
from .encoder import IGNORED
from .frames import MOST_OBJECTS


def llava_config(config: ChatConfig, tokenizer: Any) -> LlavaConfig:
    """Return the network's configuration.

    The vision features are those of the tower's last layer, not of the last but one as in LLaVA
    1.5, so that no layer of the small tower goes unused.
    """
    text = {
        **config.text,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }
    return LlavaConfig(
        text_config=LlamaConfig(**text),
        vision_config=CLIPVisionConfig(**config.vision),
        image_seq_length=(config.vision["image_size"] // config.vision["patch_size"]) ** 2,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
        tie_word_embeddings=False,
    )


_FREQUENCIES = (-0.7, 0.5)  # lowest and highest, as powers of ten, in radians per patch
_POSITION_SCALE = 0.3


class ChatLearner(nn.Module):
    """A LLaVA with heads that predict what every patch shows; the heads are not exported."""

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self.llava = LlavaForConditionalGeneration(config)
        vision: Any = config.vision_config
        text: Any = config.text_config
        self.side = vision.image_size // vision.patch_size
        widths = (vision.hidden_size, text.hidden_size)
        self.attribute_heads = AttributeHeads(widths)
        self.order_heads = nn.ModuleList(nn.Conv2d(w, MOST_OBJECTS + 1, 1) for w in widths)
        # The features do not pass through this norm, so it would never get a gradient.
        self._tower().post_layernorm.requires_grad_(False)
        self._tower().embeddings.position_embedding.weight.data[1:] = position_codes(
            self.side, vision.hidden_size
        )
        self.features: list[Tensor] = []
        self.llava.model.multi_modal_projector.register_forward_hook(self._keep)

    def forward(self, batch: ChatBatch, attribute_weight: float) -> dict[str, Tensor]:
        """Return `loss` and its parts `language`, `attributes` and `order`, each a scalar."""
        if batch.joint:
            output = self.llava(input_ids=batch.tokens, pixel_values=batch.pixels)
        else:
            self.llava.model.get_image_features(pixel_values=batch.pixels)
            output = self.llava(input_ids=batch.tokens)
        logits = output.logits[:, :-1].float()
        language = F.cross_entropy(
            logits.flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
        )
        maps = [self._as_map(x) for x in self.features]
        heads = self.attribute_heads(maps, (self.side, self.side))
        attributes = attribute_loss(heads, batch.attributes)
        order = torch.stack(
            [
                F.cross_entropy(head(x).float(), batch.order)
                for head, x in zip(self.order_heads, maps, strict=True)
            ]
        ).mean()
        loss = language + attribute_weight * (attributes + order)
        return {"loss": loss, "language": language, "attributes": attributes, "order": order}

    def _keep(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.features = [inputs[0], output]

    def _as_map(self, x: Tensor) -> Tensor:
        """Reshape [b, patches, c] or [b * patches, c] to [b, c, side, side]."""
        return x.reshape(-1, self.side, self.side, x.shape[-1]).movedim(-1, 1)

    def _tower(self) -> Any:
        tower: Any = self.llava.model.vision_tower
        return getattr(tower, "vision_model", tower)


def position_codes(side: int, width: int) -> Tensor:
    """Return sine and cosine position codes [side * side, width] of the patches, row by row.

    With them the tower knows the patches' positions from the start instead of learning them.
    """
    waves = width // 4
    frequencies = torch.logspace(*_FREQUENCIES, waves)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    parts = [
        wave(axis.flatten()[:, None] * frequencies)
        for axis in (columns, rows)
        for wave in (torch.sin, torch.cos)
    ]
    codes = torch.zeros(side * side, width)
    codes[:, : 4 * waves] = _POSITION_SCALE * torch.cat(parts, 1)
    return codes


def build_optimizer(model: ChatLearner, config: ChatOptimizerConfig) -> torch.optim.AdamW:
    """Build AdamW with groups named "vision" and "language", each with and without weight decay."""
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_language = "language_model" in name or "lm_head" in name
            key = ("language" if is_language else "vision", parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "name": name,
                "lr": getattr(config, name),
                "weight_decay": config.weight_decay if is_matrix else 0.0,
            }
            for (name, is_matrix), parameters in groups.items()
        ],
        betas=config.betas,
        foreach=True,
    )
