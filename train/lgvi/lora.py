"""Low-rank additions by peft, and the export of the U-Net's to ComfyUI's names."""

from typing import Any

from peft import LoraConfig as PeftConfig
from peft import get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn, tensor

from lgvi_core.errors import LGVIError

from .config import LoraConfig

COMFYUI_PREFIX = "diffusion_model."


def add_lora(model: nn.Module, config: LoraConfig) -> None:
    """Puts trainable additions beside the frozen layers whose names end in `config.targets`."""
    peft_config = PeftConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules=list(config.targets)
    )
    try:
        inject_adapter_in_model(peft_config, model)
    except ValueError as error:
        raise LGVIError(f"lora.targets {list(config.targets)}: {error}") from error


def merge_lora(model: nn.Module) -> None:
    """Adds the additions to the layers beside them, and takes them away."""
    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())


def comfyui_state(
    unet: nn.Module, config: LoraConfig, whole: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The additions by the names that ComfyUI's LoRA loaders know.

    `diffusion_model.<layer>.lora_A.weight`, `.lora_B.weight` and `.alpha` for each layer.
    `whole` is the state of the model where the U-Net's own parameters are only a part of them.
    """
    if whole is not None:
        whole = {k.removeprefix("unet."): v for k, v in whole.items() if k.startswith("unet.")}
    state: dict[str, Any] = get_peft_model_state_dict(unet, whole)
    named = {COMFYUI_PREFIX + key: value.contiguous() for key, value in state.items()}
    layers = {key.rsplit(".lora_", 1)[0] for key in named}
    return named | {f"{layer}.alpha": tensor(float(config.alpha)) for layer in layers}
