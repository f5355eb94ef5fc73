"""The one place where a lgvi_core U-Net becomes a native ComfyUI MODEL."""

import comfy.conds
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.utils
import torch
from comfy import latent_formats, supported_models_base
from comfy.patcher_extension import WrappersMP
from einops import rearrange
from torch import Tensor

from ..lgvi_core.checkpoint import Checkpoint
from ..lgvi_core.config import UNetConfig
from ..lgvi_core.errors import LGVIError
from ..lgvi_core.unet import ClipConditions, InflatedUNet

RUN_KEY = "lgvi_run"
MASK_KEY = "lgvi_mask"
OVERRIDE_KEY = "optimized_attention_override"
"""ComfyUI's name for an attention function that a node sets for one model."""

# diffusers' name of a beta schedule -> ComfyUI's.
BETA_SCHEDULES = {"scaled_linear": "linear", "linear": "sqrt_linear"}
PREDICTION_TYPES = {
    "epsilon": comfy.model_base.ModelType.EPS,
    "v_prediction": comfy.model_base.ModelType.V_PREDICTION,
}


class PreparedConditions:
    """What does not change between the steps of one sampling run, computed once.

    Inputs are compared by value, so a hit is exact however ComfyUI batches the conditions. One
    condition is kept: with context windows the text's part still hits, and memory stays that of
    one window.
    """

    def __init__(self) -> None:
        self._condition: tuple[Tensor, Tensor] | None = None
        self._text: tuple[Tensor, tuple] | None = None

    def get(self, unet: InflatedUNet, text: Tensor, c_x: Tensor) -> ClipConditions:
        if self._condition is None or not _same(self._condition[0], c_x):
            self._condition = (c_x.clone(), unet.prepare_condition(c_x))
        if self._text is None or not _same(self._text[0], text):
            self._text = (text.clone(), unet.prepare_text(text))
        return ClipConditions(self._condition[1], text, self._text[1])


class HostAttention:
    """ComfyUI's attention, or what a node put in its place for this model."""

    override = None

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        attention = comfy.ldm.modules.attention.optimized_attention
        if self.override is None:
            return attention(query, key, value, heads)
        options = {OVERRIDE_KEY: self.override}
        return attention(query, key, value, heads, transformer_options=options)


class ComfyUNet(InflatedUNet):
    """The U-Net behind ComfyUI's call: 4-D latents [(conds frames), c, h, w], c_x after z_t."""

    def __init__(self, config: UNetConfig, dtype=None, device=None, operations=None, **_) -> None:
        self.host_attention = HostAttention()
        super().__init__(config, operations, self.host_attention, dtype, device)
        self.dtype = dtype

    def forward(  # type: ignore[override]
        self, x, timesteps, context=None, transformer_options=None, num_video_frames=None, **_
    ) -> Tensor:
        options = transformer_options or {}
        self.host_attention.override = options.get(OVERRIDE_KEY)
        frames = num_video_frames or x.shape[0]
        clips = rearrange(x, "(b f) c h w -> b c f h w", f=frames)
        z_t, c_x = clips.split(x.shape[1] // 2, dim=1)
        # ComfyUI repeats time and text for every frame; the model wants them once per clip.
        t, text = timesteps[::frames], context[::frames]
        run = options.get(RUN_KEY)
        conditions = self.prepare(text, c_x) if run is None else run.get(self, text, c_x)
        noise_pred, features = self.denoise(z_t, t, conditions)
        recorder = options.get(MASK_KEY)
        if recorder is not None and self.mask_decoder is not None:
            recorder.record(self.mask_decoder, features, frames, options)
        return rearrange(noise_pred, "b c f h w -> (b f) c h w")


class LGVIModel(comfy.model_base.BaseModel):
    """Frames are the batch; ``concat_latent_image`` of each cond is the condition c_x."""

    def __init__(self, model_config, model_type, device=None) -> None:
        super().__init__(model_config, model_type, device=device, unet_model=ComfyUNet)

    def extra_conds(self, **kwargs):
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
        expected = self.diffusion_model.config.cross_attention_dim
        if text is None or text.shape[-1] != expected:
            width = "none" if text is None else text.shape[-1]
            raise LGVIError(
                f"this model takes text features of width {expected}, got {width}: encode the "
                "sentence with the CLIP of the same Load LGVI node"
            )
        return {
            "c_concat": comfy.conds.CONDNoiseShape(condition),
            "c_crossattn": comfy.conds.CONDCrossAttn(text),
            "num_video_frames": comfy.conds.CONDConstant(noise.shape[0]),
        }


class LGVIModelConfig(supported_models_base.BASE):
    """What ComfyUI asks of a model's configuration."""

    latent_format = latent_formats.SD15
    unet_extra_config: dict = {}  # noqa: RUF012

    def __init__(self, checkpoint: Checkpoint) -> None:
        # Only our own config: Stable Diffusion's keys would misguide ComfyUI's LoRA key map.
        super().__init__({"config": checkpoint.unet_config})
        scheduler = checkpoint.scheduler
        schedule = scheduler.get("beta_schedule", "scaled_linear")
        if schedule not in BETA_SCHEDULES:
            raise LGVIError(f"{checkpoint.origin}: unknown beta_schedule {schedule!r}")
        self.sampling_settings = {
            "beta_schedule": BETA_SCHEDULES[schedule],
            "linear_start": scheduler.get("beta_start", 0.00085),
            "linear_end": scheduler.get("beta_end", 0.012),
            "timesteps": scheduler.get("num_train_timesteps", 1000),
            "zsnr": scheduler.get("rescale_betas_zero_snr", False),
        }
        self.memory_usage_factor = 1.5 * checkpoint.unet_config.block_out_channels[0] / 320


def create_model(
    checkpoint: Checkpoint, latent_format: latent_formats.LatentFormat, dtype: torch.dtype | None
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL of ``checkpoint``; ``dtype`` None lets ComfyUI choose, as for its own models."""
    prediction = checkpoint.scheduler.get("prediction_type", "epsilon")
    if prediction not in PREDICTION_TYPES:
        raise LGVIError(f"{checkpoint.origin}: unknown prediction_type {prediction!r}")
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
    model = LGVIModel(config, PREDICTION_TYPES[prediction], device=offload_device)
    patcher_class = getattr(
        comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher
    )
    patcher = patcher_class(model, load_device=load_device, offload_device=offload_device)
    # Names and shapes were checked on reading; strict, so that nothing stays uninitialised.
    model.diffusion_model.load_state_dict(checkpoint.unet)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "lgvi", prepare_run)
    return patcher


def prepare_run(executor, *args, **kwargs):
    """Give one sampling run its cache, and drop it at the end.

    Not where hooks change weights on the way, because the text's keys would change with them.
    """
    guider = executor.class_obj
    hooked = any("hooks" in cond for conds in guider.conds.values() for cond in conds)
    options = guider.model_options.setdefault("transformer_options", {})
    options[RUN_KEY] = None if hooked else PreparedConditions()
    try:
        return executor(*args, **kwargs)
    finally:
        options.pop(RUN_KEY, None)


def is_lgvi(model: comfy.model_patcher.ModelPatcher) -> bool:
    """Whether a MODEL was made here."""
    return isinstance(model.model, LGVIModel)


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def _clip_size(latents: Tensor) -> str:
    return f"{latents.shape[0]} frames of {latents.shape[-1] * 8} x {latents.shape[-2] * 8} pixels"
