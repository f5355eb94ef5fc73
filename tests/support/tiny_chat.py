"""A random chat model of a few thousand weights, whose replies can be dictated."""

import contextlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from lgvi_core.chat.format import ChatFormat, write_format
from lgvi_core.chat.llava import MMHead
from lgvi_core.chat.model import MM_HEAD_FILE, ChatModel

SPECIAL = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
}
ADDED = ("<image>", "<pad>")
BASE_ROWS = 3 + 256
"""Number of the tokenizer's own tokens, where those of ADDED come after them."""
FEATURES = 24


def make_tokenizer(added_behind: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer with a token for every byte, so that it can write any text in any language.

    With `added_behind`, the tokens of ADDED come after its own, as in Hugging Face's LLaVA.
    """
    words = [*dict.fromkeys((*SPECIAL.values(), *ADDED))]
    if added_behind:
        words = [word for word in words if word not in ADDED]
    words += sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.add_special_tokens([*ADDED])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=["<image>"], **SPECIAL
    )


def make_chat_folder(
    folder: Path,
    mm_features: int | None = FEATURES,
    context: int = 2048,
    hidden: int = 16,
    endless: bool = False,
    rows: int | None = None,
    **chat_format,
) -> Path:
    """Write a Hugging Face LLaVA folder with `lgvi_chat.json`, and an MM head if it has features.

    An `endless` model never ends a reply by itself. With `rows`, the token embeddings have so many
    rows, and the tokens of ADDED come after the first BASE_ROWS.
    """
    torch.manual_seed(0)
    tokenizer = make_tokenizer(added_behind=rows is not None)
    size = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_attention_heads": 2}
    config = LlavaConfig(
        text_config=LlamaConfig(
            **size,
            num_hidden_layers=2,
            vocab_size=rows or len(tokenizer),
            max_position_embeddings=context,
        ),
        vision_config=CLIPVisionConfig(**size, num_hidden_layers=2, image_size=32, patch_size=16),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    llava = LlavaForConditionalGeneration(config)
    if endless:
        llava.get_input_embeddings().weight.data[:, 0] = 1
        llava.get_output_embeddings().weight.data[tokenizer.eos_token_id, 0] = -100
    llava.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    defaults = {"system_prompt": "You find what to remove.", "framing": "letterbox"}
    write_format(ChatFormat(**(defaults | chat_format)), folder)
    if mm_features is not None:
        head = MMHead(size["hidden_size"], mm_features).state_dict()
        save_file({f"mm_head.{k}": v for k, v in head.items()}, folder / MM_HEAD_FILE)
    return folder


def to_original_layout(folder: Path, place: Path) -> tuple[Path, Path]:
    """Write the same model as LLaVA's authors store it, with the vision tower in a second folder.

    The unknown token stands for both images and padding there.
    """
    original, tower = place / "llava", place / "clip-tower"
    shutil.copytree(folder, original)
    tower.mkdir()
    config = json.loads((original / "config.json").read_text())
    (tower / "config.json").write_text(json.dumps(config["vision_config"]))
    text = {k: v for k, v in config["text_config"].items() if k != "model_type"}
    flat = {**text, "model_type": "llava", "mm_vision_tower": "openai/clip-tower"}
    (original / "config.json").write_text(json.dumps(flat))
    told = json.loads((original / "tokenizer_config.json").read_text())
    (original / "tokenizer_config.json").write_text(json.dumps(told | {"pad_token": "<unk>"}))
    language, vision = {}, {}
    for key, value in load_file(original / "model.safetensors").items():
        if "vision_tower" in key:
            name = key.split("vision_tower.")[1].removeprefix("vision_model.")
            vision[f"vision_model.{name}"] = value
        elif "projector" in key:
            layer = {"linear_1": "0", "linear_2": "2"}[key.split(".")[-2]]
            language[f"model.mm_projector.{layer}.{key.split('.')[-1]}"] = value
        elif "lm_head" in key:
            language["lm_head.weight"] = value
        else:
            name = key.split("language_model.")[1].removeprefix("model.")
            language[f"model.{name}"] = value
    save_file(language, original / "model.safetensors")
    save_file(vision, tower / "model.safetensors")
    return original, tower


@contextlib.contextmanager
def dictated(model: ChatModel, text: str):
    """A context in which every reply of the model is `text`; all other computations are its own."""
    tokens = [*model.tokenizer(text, add_special_tokens=False).input_ids]
    script = iter([*tokens, model.tokenizer.eos_token_id])

    def choose(_, __, logits):
        forced = torch.full_like(logits, -1e4)
        forced[..., next(script)] = 0
        return forced

    handle = model.llava.llava.get_output_embeddings().register_forward_hook(choose)
    try:
        yield
    finally:
        handle.remove()
