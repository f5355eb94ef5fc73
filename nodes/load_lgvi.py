"""Load LGVI: loads MODEL, CLIP and VAE of a bundled model, a folder, a file or a download."""

from comfy_api.v0_0_2 import io

from .host.catalogue import BUNDLED_VIDEO_MODEL, VIDEO_MODELS
from .search import search_aliases

DTYPES = ["auto", "fp32", "fp16", "bf16", "fp8_e4m3fn"]


class LoadLGVI(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_LoadModel",
            display_name="Load LGVI",
            category="LGVI",
            **search_aliases(
                "load inpainting model",
                "video inpainting",
                "object removal",
                "remove object",
                "erase",
                "checkpoint",
                "language-driven video inpainting",
                "消除",
                "去除物体",
            ),
            description=(
                "Loads a language-driven video inpainting model. The outputs work with the stock "
                "nodes: CLIPTextEncode, KSampler, VAEDecode, LoraLoader."
            ),
            inputs=[
                io.Combo.Input(
                    "model",
                    options=VIDEO_MODELS.names(),
                    default=BUNDLED_VIDEO_MODEL,
                    tooltip=(
                        "The small bundled model runs on a CPU and knows simple drawn clips. "
                        "Folders come from models/lgvi and models/diffusers, .safetensors files "
                        "from models/lgvi. The download entry fetches the official weights into "
                        "models/lgvi when the graph runs."
                    ),
                ),
                io.Combo.Input(
                    "dtype",
                    options=DTYPES,
                    default="auto",
                    tooltip=(
                        "Precision of the U-Net's weights. auto lets ComfyUI choose for this "
                        "machine; fp8_e4m3fn halves the memory of fp16 and computes in a wider "
                        "type."
                    ),
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The inflated U-Net."),
                io.Clip.Output(display_name="clip", tooltip="The text encoder for CLIPTextEncode."),
                io.Vae.Output(
                    display_name="vae", tooltip="The autoencoder for frames and latents."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        # This check replaces ComfyUI's own, which rejects models added since the page was loaded.
        # None stands for a name that another node will give; `execute` checks it.
        known = model is None or VIDEO_MODELS.exists(model)
        return known or VIDEO_MODELS.missing_message(str(model))

    @classmethod
    def fingerprint_inputs(cls, model: str, dtype: str) -> str:
        return f"{dtype} {VIDEO_MODELS.fingerprint(model)}"

    @classmethod
    def execute(cls, model: str, dtype: str) -> io.NodeOutput:
        from ..lgvi_core.checkpoint.checkpoint import load_checkpoint
        from .host import checkpoint as comfy_checkpoint
        from .host.choices import check_choice
        from .host.memory import LOADING, advice_when_out_of_memory

        check_choice("dtype", dtype, DTYPES)
        path = VIDEO_MODELS.resolve(model)
        with advice_when_out_of_memory(LOADING):
            return io.NodeOutput(*comfy_checkpoint.create(load_checkpoint(path), dtype))
