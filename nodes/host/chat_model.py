"""A chat model under ComfyUI's model management."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import comfy.model_management
import comfy.model_patcher
import torch

from ...lgvi_core.chat.model import ChatModel, load_chat
from ...lgvi_core.errors import LGVIError

SHARE_OF_16_BITS: dict[Literal["8-bit", "4-bit"], float] = {"8-bit": 0.6, "4-bit": 0.4}
"""Approximate memory of a quantised model, vision tower included, as a share of 16 bits."""
WORKING_BYTES = 256 * 1024**2
"""Working memory of a reply in bytes, besides the keys and values of its tokens."""


@dataclass
class ComfyChat:
    """Value of an LGVI_CHAT socket: a chat model and the patcher that moves it."""

    model: ChatModel
    patcher: Any
    """ComfyUI's ModelPatcher of the LLaVA."""

    def load(self, tokens: int) -> None:
        """Move the model to its device, and others off it, with room for `tokens` in its context.

        Raises LGVIError where the device is too small.
        """
        management = comfy.model_management
        device = self.patcher.load_device
        text = self.model.config.text_config
        per_token = 2 * text.num_hidden_layers * text.hidden_size * torch.float16.itemsize
        needed = WORKING_BYTES + tokens * per_token
        whole, total = self.patcher.model_size() + needed, management.get_total_memory(device)
        if whole > total:
            raise LGVIError(
                f"the chat model and a reply take {whole / 1e9:.1f} GB, the device has "
                f"{total / 1e9:.1f} GB: choose 4-bit or the CPU in Load LGVI Chat"
            )
        management.load_models_gpu([self.patcher], memory_required=needed, force_full_load=True)


def create(
    path: Path,
    precision: Literal["auto", "16-bit", "8-bit", "4-bit"],
    device: str,
    parts: Path | None,
) -> ComfyChat:
    """Load the chat model in the folder `path`.

    `precision` and `device` are choices of Load LGVI Chat; `parts` are end-to-end weights to
    load into the model. Raises LGVIError for unusable files and where quantising fails.
    """
    management = comfy.model_management
    on_cpu = device == "cpu"
    load_device = torch.device("cpu") if on_cpu else management.text_encoder_device()
    offload_device = load_device if on_cpu else management.text_encoder_offload_device()
    bits = precision if precision in SHARE_OF_16_BITS else "none"
    if bits != "none":
        # bitsandbytes quantises on the device, before there is a model that ComfyUI can manage.
        files = sum(f.stat().st_size for f in path.glob("*") if f.is_file())
        management.free_memory(files * SHARE_OF_16_BITS[bits] + WORKING_BYTES, load_device)
    try:
        model = load_chat(path, bits, _dtype(precision, load_device), parts, load_device)
        model.llava.to(offload_device)
    except (LGVIError, management.OOM_EXCEPTION):
        raise
    except Exception as error:
        if bits == "none":
            raise
        raise LGVIError(
            f"{precision} does not work on {load_device} here ({type(error).__name__}: {error}): "
            "choose auto or 16-bit"
        ) from error
    # The plain patcher: ComfyUI cannot load a model of transformers' own layers in parts.
    patcher = comfy.model_patcher.ModelPatcher(
        model.llava, load_device=load_device, offload_device=offload_device
    )
    return ComfyChat(model, patcher)


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if comfy.model_management.is_device_cpu(device):
        return torch.float32 if precision == "auto" else torch.bfloat16
    if comfy.model_management.should_use_bf16(device):
        return torch.bfloat16
    return torch.float16
