"""Load LGVI Chat: loads the chat model that finds out what to remove."""

from typing import Literal

from comfy_api.v0_0_2 import io

from .host import end_to_end_weights as weights_files
from .host.catalogue import CHAT_MODELS, file_stats
from .search import search_aliases

PRECISIONS = ["auto", "16-bit", "8-bit", "4-bit"]
DEVICES = ["auto", "cpu"]
ChatType = io.Custom("LGVI_CHAT")


class LoadChat(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_LoadChat",
            display_name="Load LGVI Chat",
            category="LGVI",
            **search_aliases("llava", "load llava", "vision language model", "VLM", "MLLM"),
            description=(
                "Loads a LLaVA chat model, which looks at the clip and finds out what a request "
                "means. ComfyUI moves it off the card when the video model needs the room."
            ),
            inputs=[
                io.Combo.Input(
                    "model",
                    options=CHAT_MODELS.names(),
                    default=CHAT_MODELS.names()[0],
                    tooltip=(
                        "lgvi-mini-chat knows drawn clips only. LLaVA folders come from "
                        "models/lgvi_chat; the download entry fetches LLaVA 1.5 7B (14 GB) there "
                        "when the graph runs."
                    ),
                ),
                io.Combo.Input(
                    "precision",
                    options=PRECISIONS,
                    default="auto",
                    tooltip=(
                        "auto takes 16 bits on a graphics card. 8-bit and 4-bit need the packages "
                        "bitsandbytes and accelerate; a 7B model takes about 14, 8 or 5 GB."
                    ),
                ),
                io.Combo.Input(
                    "device",
                    options=DEVICES,
                    default="auto",
                    tooltip="cpu leaves the card to the video model.",
                ),
                io.Combo.Input(
                    "end_to_end_weights",
                    options=weights_files.names(),
                    default=weights_files.OWN_WEIGHTS,
                    tooltip=(
                        "For LGVI-I: the llava/llava_weights.pth of its folder in models/lgvi "
                        "replaces token embeddings and projector, and brings the MM head."
                    ),
                ),
            ],
            outputs=[ChatType.Output(display_name="chat", tooltip="For LGVI Chat.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None, end_to_end_weights: str | None) -> bool | str:
        # This check replaces ComfyUI's own, which rejects models added since the page was loaded.
        # None stands for a name that another node will give; `execute` checks it.
        if model is not None and not CHAT_MODELS.exists(model):
            return CHAT_MODELS.missing_message(model)
        if end_to_end_weights is not None and not weights_files.exists(end_to_end_weights):
            return weights_files.missing_message(end_to_end_weights)
        return True

    @classmethod
    def fingerprint_inputs(
        cls, model: str, precision: str, device: str, end_to_end_weights: str
    ) -> str:
        weights = file_stats(weights_files.path_of(end_to_end_weights))
        files = f"{CHAT_MODELS.fingerprint(model)} {end_to_end_weights} {weights}"
        return f"{precision} {device} {files}"

    @classmethod
    def execute(
        cls,
        model: str,
        precision: Literal["auto", "16-bit", "8-bit", "4-bit"],
        device: str,
        end_to_end_weights: str,
    ) -> io.NodeOutput:
        from ..lgvi_core.errors import LGVIError
        from .host import chat_model as comfy_chat
        from .host.choices import check_choice
        from .host.memory import LOADING_CHAT, advice_when_out_of_memory

        check_choice("precision", precision, PRECISIONS)
        check_choice("device", device, DEVICES)
        if not weights_files.exists(end_to_end_weights):
            raise LGVIError(weights_files.missing_message(end_to_end_weights))
        path = CHAT_MODELS.resolve(model)
        parts = weights_files.path_of(end_to_end_weights)
        with advice_when_out_of_memory(LOADING_CHAT):
            return io.NodeOutput(comfy_chat.create(path, precision, device, parts))
