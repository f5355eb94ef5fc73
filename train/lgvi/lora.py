"""LoRA layers by peft, and their export under ComfyUI's names."""

from typing import Any

from peft import LoraConfig as PeftConfig
from peft import get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn, tensor

from lgvi_core.errors import LGVIError

from .config import LoraConfig

COMFYUI_PREFIX = "diffusion_model."


def add_lora(model: nn.Module, config: LoraConfig) -> None:
    """Add trainable LoRA layers to the layers whose names end in one of `config.targets`.

    Raises LGVIError if no layer's name does.
    """
    peft_config = PeftConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules=list(config.targets)
    )
    try:
        inject_adapter_in_model(peft_config, model)
    except ValueError as error:
        raise LGVIError(f"lora.targets {list(config.targets)}: {error}") from error


def merge_lora(model: nn.Module) -> None:
    """Merge all LoRA layers into the weights of the layers they belong to, and remove them."""
    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())


def comfyui_state(
    unet: nn.Module, config: LoraConfig, whole: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The LoRA layers' state under the names that ComfyUI's LoRA loaders read.

    These are `diffusion_model.<layer>.lora_A.weight`, `.lora_B.weight` and `.alpha` for each layer.
    `whole` is the state of the whole model, used instead of the U-Net's own parameters if given.
    """
    if whole is not None:
        whole = {k.removeprefix("unet."): v for k, v in whole.items() if k.startswith("unet.")}
    state: dict[str, Any] = get_peft_model_state_dict(unet, whole)
    named = {COMFYUI_PREFIX + key: value.contiguous() for key, value in state.items()}
    layers = {key.rsplit(".lora_", 1)[0] for key in named}
    return named | {f"{layer}.alpha": tensor(float(config.alpha)) for layer in layers}
