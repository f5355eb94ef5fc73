"""LLaVA with the MM head: transformers' model, and weights from any of their layouts (Sec. 4.2)."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import LlavaConfig, LlavaForConditionalGeneration

from ..checkpoint.files import read_tensors
from ..errors import CheckpointError

TEXT_FEATURES = 768  # of CLIP ViT-L/14, which the U-Net's cross-attention reads
RELEASED_PARTS = {
    "language_embedding": "language.embed_tokens.",
    "vision_embedding": "projector.",
    "transfer_layer": "mm_head.",
}
"""The tables of the released `llava_weights.pth`, and what each of them replaces."""

# From any layout's name to one name: transformers' old and new, and the original LLaVA 1.5's.
_RENAMES = (
    (r"^(model\.)?vision_tower\.(vision_tower\.)?(vision_model\.)?", "vision."),
    (r"^(model\.)?(multi_modal_projector|mm_projector)\.", "projector."),
    (r"^projector\.(linear_1|0)\.", "projector.1."),
    (r"^projector\.(linear_2|2)\.", "projector.2."),
    (r"^(transfer_head|mm_head)\.(layers\.)?", "mm_head."),
    (r"^(language_model\.|model\.language_model\.)?lm_head\.", "lm_head."),
    (r"^(model\.language_model|language_model\.model|language_model|model)\.", "language."),
)


class MMHead(nn.Module):
    """From the chat model's hidden states to what cross-attention reads in place of CLIP's text."""

    def __init__(self, hidden: int, features: int = TEXT_FEATURES) -> None:
        super().__init__()
        self.features = features
        self.layers = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, features, bias=False)
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[b, n, hidden] of the last layer to [b, n, features]."""
        return self.layers(hidden_states)


class LlavaOutput(NamedTuple):
    """`logits` [b, n, vocabulary], `hidden` [b, n, d] of the last layer, `features` [b, n, 768].

    n counts every picture as its patches. `features` is None without an MM head.
    """

    logits: Tensor
    hidden: Tensor
    features: Tensor | None


class Llava(nn.Module):
    """transformers' LLaVA and, for end-to-end models, the MM head."""

    def __init__(self, config: LlavaConfig, mm_features: int | None = TEXT_FEATURES) -> None:
        """`mm_features` is the width of the U-Net's text features; None makes no MM head."""
        super().__init__()
        self.llava = LlavaForConditionalGeneration(config)
        text: Any = config.text_config
        self.mm_head = None if mm_features is None else MMHead(text.hidden_size, mm_features)

    @classmethod
    def of(cls, llava: Any, mm_head: MMHead | None) -> "Llava":
        """The two parts put together, as they are."""
        whole = cls.__new__(cls)
        nn.Module.__init__(whole)
        whole.llava, whole.mm_head = llava, mm_head
        return whole

    def forward(self, tokens: Tensor, pixels: Tensor) -> LlavaOutput:
        """`tokens` [b, n] with the picture token repeated per patch; `pixels` [m, 3, h, w].

        `pixels` are normalised as the vision tower wants them, in the order of their tokens.
        """
        output = self.llava(input_ids=tokens, pixel_values=pixels, output_hidden_states=True)
        hidden = output.hidden_states[-1]
        features = None if self.mm_head is None else self.mm_head(hidden)
        return LlavaOutput(output.logits, hidden, features)

    def _apply(self, fn: Any, recurse: bool = True) -> "Llava":
        """Also moves what bitsandbytes keeps beside the weights of its 8-bit layers."""
        super()._apply(fn, recurse)
        for module in self.modules():
            state: Any = getattr(module, "state", None)
            if getattr(state, "CB", None) is not None:
                state.CB = module.weight.data
                state.SCB = fn(state.SCB)
        return self

    def own_names(self, state: dict[str, Tensor], origin: str) -> dict[str, Tensor]:
        """`state`, named in any layout, by this network's names.

        Raises CheckpointError naming tensors that are missing, foreign, or of another shape.
        """
        mine = self.state_dict()
        own = {common_name(key): key for key in mine}
        given = {own.get(common_name(key), key): value for key, value in state.items()}
        for key in [k for k in given if _is_ignored(common_name(k))]:
            del given[key]
        strange = sorted(given.keys() - mine.keys())
        missing = sorted(k for k in mine.keys() - given.keys() if not _is_spare(common_name(k)))
        shapes = [
            f"{key} is {list(value.shape)} instead of {list(mine[key].shape)}"
            for key, value in given.items()
            if key in mine and mine[key].shape != value.shape
        ]
        problems = [("unexpected", strange), ("wrong shape", shapes), ("missing", missing)]
        if any(names for _, names in problems):
            told = "; ".join(f"{len(n)} {what} ({', '.join(n[:3])})" for what, n in problems if n)
            raise CheckpointError(f"{origin}: not the weights of this LLaVA: {told}")
        return given


def read_released_parts(path: Path) -> dict[str, Tensor]:
    """The tensors of a `llava_weights.pth` by their `common_name`.

    Token embeddings, projector and MM head, in three tables; the file is read with
    `weights_only=True`. Raises CheckpointError where it is anything else.
    """
    try:
        tables: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: file is missing") from error
    except Exception as error:  # a damaged or hostile pickle fails in many ways
        raise CheckpointError(f"{path}: cannot be read as tensors ({error})") from error
    if not isinstance(tables, dict) or tables.keys() != RELEASED_PARTS.keys():
        found = ", ".join(map(str, tables)) if isinstance(tables, dict) else type(tables).__name__
        raise CheckpointError(f"{path}: expected {', '.join(RELEASED_PARTS)}; found {found}")
    state = {
        common_name(prefix + str(key)): value
        for table, prefix in RELEASED_PARTS.items()
        for key, value in tables[table].items()
    }
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path}: holds more than tensors")
    return state


def read_weight_files(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's weight files, safetensors before pickles; split ones together."""
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            state: dict[str, Tensor] = {}
            for file in files:
                state |= read_tensors(file)
            return state
    raise CheckpointError(f"{folder}: no weights here (looked for *.safetensors, *.bin)")


def common_name(key: str) -> str:
    """One name for a tensor, whatever layout names it."""
    key = key.removeprefix("llava.")
    for pattern, replacement in _RENAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _is_ignored(name: str) -> bool:
    """Buffers that older files carry, which are computed."""
    return name.endswith(("rotary_emb.inv_freq", "position_ids"))


def _is_spare(name: str) -> bool:
    """What a LLaVA may lack: the last norm of the vision tower, whose output is not used."""
    return name.startswith("vision.post_layernorm.")
