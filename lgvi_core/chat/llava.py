"""LLaVA with the MM head: transformers' model, and weights in any of their layouts (Sec. 4.2)."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import LlavaConfig, LlavaForConditionalGeneration

from ..checkpoint.files import read_tensors
from ..checkpoint.pickles import read_pickle
from ..checkpoint.values import check_values
from ..errors import CheckpointError

TEXT_FEATURES = 768  # width of CLIP ViT-L/14's text features, which cross-attention reads
RELEASED_PARTS = {
    "language_embedding": "language.embed_tokens.",
    "vision_embedding": "projector.",
    "transfer_layer": "mm_head.",
}
"""The tables of the released `llava_weights.pth`, each with the common prefix of its tensors."""

# Applied in order, these turn a name of any layout (transformers' old and new, and the original
# LLaVA 1.5's) into the common one.
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
    """The MM head: maps the chat model's hidden states to features for cross-attention.

    These features take the place of CLIP's text features.
    """

    def __init__(self, hidden: int, features: int = TEXT_FEATURES) -> None:
        super().__init__()
        self.features = features
        self.layers = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, features, bias=False)
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Map the last layer's hidden states [b, n, hidden] to features [b, n, features]."""
        return self.layers(hidden_states)


class LlavaOutput(NamedTuple):
    """Output of `Llava`; n counts an image as one token per patch.

    `logits` are [b, n, vocabulary], `hidden` [b, n, d] the last layer's hidden states, `features`
    [b, n, width] the MM head's; None without an MM head.
    """

    logits: Tensor
    hidden: Tensor
    features: Tensor | None


class Llava(nn.Module):
    """transformers' LLaVA, with the MM head where the model is an end-to-end one."""

    def __init__(self, config: LlavaConfig, mm_features: int | None = TEXT_FEATURES) -> None:
        """Build the network; `mm_features` is the MM head's output width, None for no MM head."""
        super().__init__()
        self.llava = LlavaForConditionalGeneration(config)
        text: Any = config.text_config
        self.mm_head = None if mm_features is None else MMHead(text.hidden_size, mm_features)

    @classmethod
    def of(cls, llava: Any, mm_head: MMHead | None) -> "Llava":
        """Assemble the network from parts that exist already."""
        whole = cls.__new__(cls)
        nn.Module.__init__(whole)
        whole.llava, whole.mm_head = llava, mm_head
        return whole

    def forward(self, tokens: Tensor, pixels: Tensor) -> LlavaOutput:
        """Run LLaVA and the MM head on `tokens` [b, n] and the images `pixels` [m, 3, h, w].

        `tokens` repeat the image token for every patch. `pixels` are normalised for the vision
        tower and come in the order of their tokens.
        """
        output = self.llava(input_ids=tokens, pixel_values=pixels, output_hidden_states=True)
        hidden = output.hidden_states[-1]
        features = None if self.mm_head is None else self.mm_head(hidden)
        return LlavaOutput(output.logits, hidden, features)

    def _apply(self, fn: Any, recurse: bool = True) -> "Llava":
        """Apply `fn` also to the scales that bitsandbytes keeps beside its 8-bit weights."""
        super()._apply(fn, recurse)
        for module in self.modules():
            state: Any = getattr(module, "state", None)
            if getattr(state, "CB", None) is not None:
                state.CB = module.weight.data
                state.SCB = fn(state.SCB)
        return self

    def own_names(self, state: dict[str, Tensor], origin: str) -> dict[str, Tensor]:
        """Return the tensors of `state`, named in any layout, under this network's names.

        Raises CheckpointError that names `origin` and the tensors that are unexpected, missing or
        of a wrong shape.
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
    """Read the tensors of a released `llava_weights.pth`, keyed by their `common_name`.

    The file holds three tables: token embeddings, projector and MM head. It is read with
    `weights_only=True`. Raises CheckpointError where it is missing or anything else.
    """
    tables = read_pickle(path)
    if not isinstance(tables, dict) or tables.keys() != RELEASED_PARTS.keys():
        found = ", ".join(map(str, tables)) if isinstance(tables, dict) else type(tables).__name__
        raise CheckpointError(f"{path}: expected {', '.join(RELEASED_PARTS)}; found {found}")
    if not all(isinstance(table, dict) for table in tables.values()):
        raise CheckpointError(f"{path}: its parts are not tables of tensors by name")
    state = {
        common_name(prefix + str(key)): value
        for table, prefix in RELEASED_PARTS.items()
        for key, value in tables[table].items()
    }
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path}: holds more than tensors")
    check_values(state, path)
    return state


def read_weight_files(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a folder's weight files: safetensors, or pickles where there are none.

    Raises CheckpointError where there are neither.
    """
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            state: dict[str, Tensor] = {}
            for file in files:
                state |= read_tensors(file)
            return state
    raise CheckpointError(f"{folder}: no weights here (looked for *.safetensors, *.bin)")


def common_name(key: str) -> str:
    """Return the name that the tensor `key` has in common over all layouts."""
    key = key.removeprefix("llava.")
    for pattern, replacement in _RENAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _is_ignored(name: str) -> bool:
    """Whether `name` is a buffer that older files carry and that is computed here."""
    return name.endswith(("rotary_emb.inv_freq", "position_ids"))


def _is_spare(name: str) -> bool:
    """Whether a LLaVA may lack `name`: the vision tower's last norm, whose output is unused."""
    return name.startswith("vision.post_layernorm.")
