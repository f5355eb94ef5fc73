"""Conversion of an lgvi_core U-Net to a native ComfyUI MODEL."""

import math
from collections.abc import Callable
from typing import Any

import comfy.conds
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.utils
import torch
from comfy import latent_formats, supported_models_base
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from einops import rearrange
from torch import Tensor

from ...lgvi_core.checkpoint.checkpoint import Checkpoint
from ...lgvi_core.checkpoint.own_settings import OwnSettings
from ...lgvi_core.config import UNetConfig
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.latents import LATENT_PIXELS
from ...lgvi_core.unet.unet import InflatedUNet
from .guidance import skip_idle
from .patches import patched
from .predictions import check_prediction
from .run_cache import RUN_KEY, prepare_run

MASK_KEY = "lgvi_mask"
"""Key of ComfyUI's transformer_options under which the U-Net finds the mask recorder."""
FEATURES_KEY = "lgvi_text_features"
"""Key of a CONDITIONING's options that names the source of its features if that is not CLIP."""
OVERRIDE_KEY = "optimized_attention_override"
"""ComfyUI's key in transformer_options for an attention function that a node sets."""

# ComfyUI's names of the beta schedules, by diffusers' names.
BETA_SCHEDULES = {
    "scaled_linear": "linear",
    "linear": "sqrt_linear",
    "squaredcos_cap_v2": "squaredcos_cap_v2",
}
PREDICTION_TYPES = {
    "epsilon": comfy.model_base.ModelType.EPS,
    "v_prediction": comfy.model_base.ModelType.V_PREDICTION,
}


# Measured by tools.activation_memory at three sizes, to 5 per cent.
MEMORY_FACTOR = 0.9
"""ComfyUI's factor for the memory of a pass at the official width, with fused attention."""
OFFICIAL_WIDTH = 320
BESIDE_SCORES = 0.66
"""Share of that memory which is held while attention that is not fused holds its scores."""


class HostAttention:
    """ComfyUI's attention, or the function that a node put in its place for this model.

    `override` takes the place of all attention, `replacement` that of the next call alone.
    """

    override = None
    replacement: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        if self.replacement is not None:
            return self.replacement(query, key, value)
        attention = comfy.ldm.modules.attention.optimized_attention
        if self.override is None:
            return attention(query, key, value, heads)
        options = {OVERRIDE_KEY: self.override}
        return attention(query, key, value, heads, transformer_options=options)


class ComfyUNet(InflatedUNet):
    """The U-Net behind ComfyUI's interface.

    Latents are 4-D, [(conds frames), c, h, w], with the channels of c_x after those of z_t.
    """

    def __init__(
        self,
        config: UNetConfig,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
        operations: Any = None,
        **_: object,
    ) -> None:
        attention = HostAttention()
        super().__init__(config, operations, attention, dtype, device)
        self.host_attention = attention
        self.dtype = dtype

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        control: Any = None,
        transformer_options: dict[str, Any] | None = None,
        num_video_frames: int | None = None,
        **_: object,
    ) -> Tensor:
        """Predict the noise [(conds frames), 4, h, w]; ComfyUI always passes a `context`."""
        if control is not None:
            raise LGVIError("LGVI takes no ControlNet: remove it from the conditioning")
        options = transformer_options or {}
        # Context windows of ComfyUI may add a frame, so what arrives counts before what was said.
        conds = len(options.get("cond_or_uncond", ()))
        frames = x.shape[0] // conds if conds else num_video_frames or x.shape[0]
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options)
        executor = WrapperExecutor.new_class_executor(self._predict, self, wrappers)
        return executor.execute(x, timesteps, context, frames, options)

    def _predict(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        frames: int,
        options: dict[str, Any],
    ) -> Tensor:
        self.host_attention.override = options.get(OVERRIDE_KEY)
        clips = rearrange(x, "(b f) c h w -> b c f h w", f=frames)
        z_t, c_x = clips.split(x.shape[1] // 2, dim=1)
        # ComfyUI repeats time and text for every frame; the U-Net takes them once per video.
        t, text = timesteps[::frames], context[::frames]
        run = options.get(RUN_KEY)
        conditions = self.prepare(text, c_x) if run is None else run.get(self, text, c_x)
        with patched(self, options, x.shape):
            noise_pred, features = self.denoise(z_t, t, conditions)
        recorder = options.get(MASK_KEY)
        if recorder is not None and self.mask_decoder is not None:
            recorder.record(self.mask_decoder, features, frames, options)
        return rearrange(noise_pred, "b c f h w -> (b f) c h w")


class LGVIModel(comfy.model_base.BaseModel):
    """ComfyUI's model of LGVI: frames are the batch, `concat_latent_image` is the condition c_x."""

    def __init__(
        self,
        model_config: "LGVIModelConfig",
        model_type: comfy.model_base.ModelType,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(model_config, model_type, device=device, unet_model=ComfyUNet)
        self.own_settings: OwnSettings = model_config.own_settings

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """Return a conditioning's inputs for the U-Net; raises LGVIError for unfit ones."""
        noise = kwargs["noise"]
        condition = kwargs.get("concat_latent_image")
        if condition is None:
            condition = torch.zeros_like(noise)
        elif condition.shape != noise.shape:
            raise LGVIError(
                f"the condition has {_clip_size(condition)}, the latent {_clip_size(noise)}: use "
                "the latent that came out of the same LGVI Video Conditioning"
            )
        else:
            condition = self.process_latent_in(condition).to(kwargs["device"])
        text = kwargs.get("cross_attn")
        self._check_features(kwargs.get(FEATURES_KEY, "clip"))
        expected = self.diffusion_model.config.cross_attention_dim
        if text is None or text.shape[-1] != expected:
            width = "none" if text is None else text.shape[-1]
            raise LGVIError(
                f"this model takes text features of width {expected}, got {width}: encode the "
                "sentence with the CLIP of the same Load LGVI node, or use a chat model that was "
                "trained with this model"
            )
        return {
            "c_concat": comfy.conds.CONDNoiseShape(condition),
            "c_crossattn": comfy.conds.CONDCrossAttn(text),
            "num_video_frames": comfy.conds.CONDConstant(noise.shape[0]),
        }

    def memory_required(
        self, input_shape: list[int], cond_shapes: dict[str, Any] | None = None
    ) -> float:
        """Return the bytes that a pass over latents of `input_shape` [(b f), c, h, w] needs.

        ComfyUI keeps so much free beside the weights. Where its attention is not fused, the scores
        of all tokens are held twice, before and after the softmax.
        """
        management = comfy.model_management
        if management.xformers_enabled() or management.pytorch_attention_flash_attention():
            return super().memory_required(input_shape, cond_shapes or {})
        size = management.dtype_size(self.manual_cast_dtype or self.get_dtype())
        frames, cells = input_shape[0], math.prod(input_shape[2:])
        fused = frames * cells * size * 0.01 * self.memory_usage_factor * 2**20
        config = self.diffusion_model.config
        level = [name.startswith("CrossAttn") for name in config.down_block_types].index(True)
        scores = frames * config.heads[level] * (cells / 4**level) ** 2 * size
        return max(fused, BESIDE_SCORES * fused + 2 * scores)

    def _check_features(self, kind: str) -> None:
        """Raise LGVIError for an end-to-end model in a two-stage graph, or the reverse."""
        if kind in self.diffusion_model.config.text_features:
            return
        if kind == "clip":
            raise LGVIError(
                "this is an end-to-end model (LGVI-I): it reads the features of a chat model, not "
                "CLIP's text. Connect LGVI Chat's conditioning in place of CLIPTextEncode, or load "
                "an LGVI model for a two-stage graph"
            )
        raise LGVIError(
            "this is an LGVI model, which reads CLIP's text, but the conditioning comes from the "
            "MM head of a chat model. Connect LGVI Chat's prompt to CLIPTextEncode (two-stage), or "
            "load an LGVI-I model (end to end)"
        )


class LGVIModelConfig(supported_models_base.BASE):
    """ComfyUI's configuration of an LGVI model."""

    latent_format = latent_formats.SD15
    unet_extra_config: dict = {}  # noqa: RUF012

    def __init__(self, checkpoint: Checkpoint) -> None:
        # Stable Diffusion's keys are left out: they would mislead ComfyUI's LoRA key map.
        # FreeU asks for the width of the first level by this name.
        super().__init__(
            {
                "config": checkpoint.unet_config,
                "model_channels": checkpoint.unet_config.block_out_channels[0],
            }
        )
        self.own_settings = checkpoint.own_settings
        noise = checkpoint.noise_schedule
        self.sampling_settings = {
            "beta_schedule": BETA_SCHEDULES[noise.beta_schedule],
            "linear_start": noise.beta_start,
            "linear_end": noise.beta_end,
            "timesteps": noise.num_train_timesteps,
            "zsnr": noise.rescale_betas_zero_snr,
        }
        widths = checkpoint.unet_config.block_out_channels
        self.memory_usage_factor = MEMORY_FACTOR * widths[0] / OFFICIAL_WIDTH


def create_model(
    checkpoint: Checkpoint,
    latent_format: latent_formats.LatentFormat,
    dtype: torch.dtype | None,
    disable_dynamic: bool = False,
) -> comfy.model_patcher.ModelPatcher:
    """Make a MODEL of `checkpoint`; with `dtype` None, ComfyUI chooses as for its own models.

    `disable_dynamic` asks for the plain patcher where ComfyUI has a dynamic one as well.
    """
    management = comfy.model_management
    config = LGVIModelConfig(checkpoint)
    config.latent_format = latent_format
    load_device, offload_device = management.get_torch_device(), management.unet_offload_device()
    if dtype is None:
        dtype = management.unet_dtype(
            model_params=comfy.utils.calculate_parameters(checkpoint.unet),
            supported_dtypes=list(config.supported_inference_dtypes),
            weight_dtype=comfy.utils.weight_dtype(checkpoint.unet),
        )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, load_device))
    prediction = PREDICTION_TYPES[checkpoint.noise_schedule.prediction_type]
    model = LGVIModel(config, prediction, device=offload_device)
    plain = comfy.model_patcher.ModelPatcher
    core = getattr(comfy.model_patcher, "CoreModelPatcher", plain)
    patcher_class = plain if disable_dynamic else core
    patcher = patcher_class(model, load_device=load_device, offload_device=offload_device)
    # Names and shapes were checked on reading. Loading is strict, so that no weight is left out.
    # Weights that need no cast stay where they are, mapped from the file: a copy is as large again.
    dynamic = hasattr(patcher, "is_dynamic") and patcher.is_dynamic()
    needs_no_cast = {tensor.dtype for tensor in checkpoint.unet.values()} == {model.get_dtype()}
    model.diffusion_model.load_state_dict(checkpoint.unet, assign=dynamic or needs_no_cast)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "lgvi", prepare_run)
    patcher.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "lgvi", check_prediction)
    patcher.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, "lgvi", skip_idle)
    return patcher


def is_lgvi(model: comfy.model_patcher.ModelPatcher) -> bool:
    """Return whether a MODEL is an LGVI model."""
    return isinstance(model.model, LGVIModel)


def _clip_size(latents: Tensor) -> str:
    height, width = (side * LATENT_PIXELS for side in latents.shape[-2:])
    return f"{latents.shape[0]} frames of {width} x {height} pixels"
