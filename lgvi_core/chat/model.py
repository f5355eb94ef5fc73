"""The chat model, loaded from a folder in transformers' layout or the original LLaVA 1.5's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoTokenizer, LlavaConfig, LlavaForConditionalGeneration

from ..checkpoint.files import read_json
from ..checkpoint.guard import panics_as_errors
from ..checkpoint.regular import check_folder
from ..checkpoint.tokenizer_file import check_tokenizer_files
from ..checkpoint.values import check_values
from ..errors import CheckpointError, LGVIError
from .format import PLAIN_FORMAT, ChatFormat, read_format
from .llava import Llava, MMHead, common_name, read_released_parts, read_weight_files
from .llava_config import read_llava_config
from .vision import CLIP_MEAN, CLIP_STD

MM_HEAD_FILE = "mm_head.safetensors"
"""File of the MM head, beside LLaVA's own weights; its tensors are called `mm_head.layers.*`."""
RELEASED_PARTS_FILE = "llava_weights.pth"

Quantization = Literal["none", "8-bit", "4-bit"]


@dataclass
class ChatModel:
    """A LLaVA with its tokenizer and its format, ready to reply.

    `image_mean` and `image_std` normalise the red, green and blue channels of its images.
    """

    llava: Llava
    tokenizer: Any
    format: ChatFormat
    image_mean: tuple[float, ...] = CLIP_MEAN
    image_std: tuple[float, ...] = CLIP_STD

    @property
    def config(self) -> Any:
        """The LLaVA's configuration, a transformers `LlavaConfig`."""
        return self.llava.llava.config

    @property
    def image_token(self) -> int:
        """Id of the token that stands for one patch of an image."""
        return int(self.config.image_token_index)

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.config.vision_config.image_size)

    @property
    def patches(self) -> int:
        """Number of patches of one image, each of them one token."""
        return int((self.image_size // self.config.vision_config.patch_size) ** 2)

    @property
    def context_length(self) -> int:
        """Greatest number of tokens that the model reads, images and reply included."""
        return int(self.config.text_config.max_position_embeddings)

    @property
    def text_features(self) -> int | None:
        """Width of the features for cross-attention; None for a two-stage model."""
        head = self.llava.mm_head
        return None if head is None else head.features


def load_chat(
    folder: Path,
    quantization: Quantization = "none",
    dtype: torch.dtype = torch.float16,
    released_parts: Path | None = None,
    device: torch.device | str = "cpu",
    full_precision: tuple[str, ...] = (),
) -> ChatModel:
    """Load the chat model in `folder` onto the CPU, or onto `device` if it is to be quantised.

    `released_parts` is a `llava_weights.pth` that replaces parts of the model and brings the MM
    head; without it, one that lies in the folder is used. Parameters with any of `full_precision`
    in their names are float32 whatever `dtype` is, for training. Raises CheckpointError that says
    what the folder lacks, and LGVIError where a package that quantisation needs is not installed.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    values = read_json(folder / "config.json")
    _check_kind(folder, values)
    tokenizer = _read_tokenizer(folder)
    state = read_weight_files(folder)
    mm_head = {k: state.pop(k) for k in list(state) if common_name(k).startswith("mm_head.")}
    if not state:
        raise CheckpointError(f"{folder}: no weights here but those of the MM head")
    config, vision_state = read_llava_config(folder, values, tokenizer, state)
    state |= vision_state
    check_values({**state, **mm_head}, folder)
    parts = released_parts or folder / RELEASED_PARTS_FILE
    chat_format = read_format(folder)
    if released_parts is not None or parts.is_file():
        # The format beside the parts is the one that they were trained in.
        chat_format = read_format(parts.parent) or chat_format or ChatFormat()
        tables = read_released_parts(parts)
        mm_head = {k: v for k, v in tables.items() if k.startswith("mm_head.")}
        _replace(state, {k: v for k, v in tables.items() if k not in mm_head})
    llava = build_llava(
        config, state, mm_head, str(folder), quantization, dtype, device, full_precision
    )
    mean, std = _read_normalisation(folder)
    return ChatModel(llava, tokenizer, chat_format or PLAIN_FORMAT, mean, std)


def build_llava(
    config: LlavaConfig,
    state: dict[str, Tensor],
    mm_head: dict[str, Tensor],
    origin: str,
    quantization: Quantization = "none",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    full_precision: tuple[str, ...] = (),
) -> Llava:
    """Build the network with the weights in `state`, and with an MM head unless `mm_head` is empty.

    Raises CheckpointError that names `origin` and the tensors that are unexpected, missing or of a
    wrong shape.
    """
    head = {common_name(k).removeprefix("mm_head."): v for k, v in mm_head.items()}
    last = head.get("2.weight")
    if head and (last is None or last.ndim != 2):
        raise CheckpointError(f"{origin}: an MM head without its last layer (2.weight)")
    features = None if last is None else last.shape[0]
    skeleton = _skeleton(config, features, origin)
    named = skeleton.own_names({**state, **{f"mm_head.{k}": v for k, v in head.items()}}, origin)
    prefix = "llava."
    weights = {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}
    options: dict[str, Any] = {"torch_dtype": dtype}
    if quantization != "none":
        options["quantization_config"] = _quantization_config(quantization, dtype)
        options["device_map"] = {"": device}
    language = LlavaForConditionalGeneration.from_pretrained(
        None, config=config, state_dict=weights, **options
    )
    mm = None
    if features is not None:
        text: Any = config.text_config
        mm = MMHead(text.hidden_size, features)
        own = "mm_head."
        mm.load_state_dict({k.removeprefix(own): v for k, v in named.items() if k.startswith(own)})
        mm.to(language.device, dtype)
    llava = Llava.of(language, mm).eval()
    for name, parameter in llava.named_parameters():
        if any(part in name for part in full_precision):
            parameter.data = named[name].to(parameter.device, torch.float32)
    return llava


def _skeleton(config: LlavaConfig, features: int | None, origin: str) -> Llava:
    """Build the network without memory, to compare it with the weights before there is any."""
    try:
        with torch.device("meta"):
            return Llava(config, features)
    except Exception as error:  # a wrong value in a foreign config fails in many ways
        raise CheckpointError(f"{origin}: no LLaVA can be built of its config ({error})") from error


def _replace(state: dict[str, Tensor], tables: dict[str, Tensor]) -> None:
    """Replace tensors of `state` by those of `tables`, which are keyed by `common_name`.

    Hugging Face's LLaVA has embedding rows for additional tokens after the authors' rows. Those
    that `tables` lack stay as they are; rows that only `tables` have are left out.
    """
    names = {common_name(key): key for key in state}
    for name, value in tables.items():
        own = state.get(names.get(name, name))
        rows = name.startswith("language.embed_tokens.")
        is_table = own is not None and own.ndim == value.ndim == 2
        if rows and is_table and own.shape[1:] == value.shape[1:]:
            value = torch.cat([value[: len(own)], own[len(value) :].to(value.dtype)])
        state[names.get(name, name)] = value


def _quantization_config(quantization: Quantization, dtype: torch.dtype) -> Any:
    try:
        import accelerate  # noqa: F401
        import bitsandbytes  # noqa: F401
        from transformers import BitsAndBytesConfig
    except ImportError as error:
        raise LGVIError(
            f"{quantization} needs the packages bitsandbytes and accelerate, which are not both "
            "installed: install them into ComfyUI's Python (pip install bitsandbytes accelerate), "
            "or choose 16-bit"
        ) from error
    # Vision tower, projector and output layer are small, and suffer most from fewer bits. Newer
    # versions of transformers match names from their beginning, hence both forms.
    parts = ("vision_tower", "multi_modal_projector")
    kept = ["lm_head", *parts, *(f"model.{part}" for part in parts)]
    if quantization == "8-bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_type="nf4",
        llm_int8_skip_modules=kept,
    )


def _read_tokenizer(folder: Path) -> Any:
    names = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
    found = [name for name in names if (folder / name).is_file()]
    if not found:
        raise CheckpointError(f"{folder}: no tokenizer here (looked for {', '.join(names)})")
    check_folder(folder)
    check_tokenizer_files(folder)
    try:
        with panics_as_errors("the tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(
                # With a config of ours, it does not read the folder's own, unchecked.
                folder,
                config=LlavaConfig(),
                local_files_only=True,
                trust_remote_code=False,
            )
    except CheckpointError as error:
        told = f"{folder}: the tokenizer cannot be read ({error.__cause__})"
        if not (folder / "tokenizer.json").is_file():
            # To convert a lone tokenizer.model, transformers needs packages that it does not bring.
            told = (
                f"{folder}: no tokenizer can be made of {', '.join(found)}: install two packages "
                "into ComfyUI's Python (pip install protobuf sentencepiece), or put the "
                f"tokenizer.json of llava-hf/llava-1.5-7b-hf beside it ({error.__cause__})"
            )
        raise CheckpointError(told) from error
    if tokenizer.eos_token_id is None:
        raise CheckpointError(f"{folder}: the tokenizer has no end token, so no reply would end")
    return tokenizer


def _check_kind(folder: Path, values: Any) -> None:
    if not isinstance(values, dict) or values.get("model_type") not in ("llava", "llava_llama"):
        found = values.get("model_type") if isinstance(values, dict) else type(values).__name__
        raise CheckpointError(
            f"{folder}: not a LLaVA (model_type in its config.json is {found!r}): choose a folder "
            "such as llava-hf/llava-1.5-7b-hf or liuhaotian/llava-v1.5-7b"
        )


def _read_normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = folder / "preprocessor_config.json"
    values = read_json(path) if path.is_file() else {}
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    found = []
    for key, default in (("image_mean", CLIP_MEAN), ("image_std", CLIP_STD)):
        numbers = values.get(key)
        numbers = default if numbers is None else numbers
        if not isinstance(numbers, list | tuple) or not _are_three_numbers(numbers):
            raise CheckpointError(f"{path}: {key} is {numbers!r} instead of three numbers above 0")
        found.append(tuple(map(float, numbers)))
    return found[0], found[1]


def _are_three_numbers(numbers: Sequence[Any]) -> bool:
    return len(numbers) == 3 and all(
        isinstance(n, int | float) and 0 < n < float("inf") for n in numbers
    )
