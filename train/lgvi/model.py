"""The trained model: U-Net and text encoder, from random weights or from a diffusers folder."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from lgvi_core.checkpoint.checkpoint import (
    BUNDLED_MODEL,
    check_unet,
    read_scheduler,
    read_sub_model,
)
from lgvi_core.checkpoint.parts import build_text_encoder, build_vae
from lgvi_core.config import read_unet_config
from lgvi_core.errors import LGVIError
from lgvi_core.latents import SD15_SCALING_FACTOR
from lgvi_core.unet.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.unet.inflate import inflate, is_unet_2d, load_old_parts
from lgvi_core.unet.layers import AttentionFunction
from lgvi_core.unet.unet import InflatedUNet

from .attributes import COLLAGES, DRAWN, AttributeHeads, Labels
from .config import OptimizerConfig, Rate, TrainConfig

NEW_PARTS = ("attn_temp.", "norm_temp.", "mask_decoder.", "condition_conv_in.")
"""Parts of the names of parameters that inflation adds to an image U-Net."""


class Predictions(NamedTuple):
    """The outputs of a forward pass in training."""

    noise_pred: Tensor
    """Predicted noise or velocity [b, 4, f, h, w]."""
    mask_logits: Tensor | None
    """[b, 1, f, h, w]; None without mask decoder."""
    attributes: list[Tensor] | None
    """Logits [(b f), channels, h, w] of each attribute head; None without heads."""
    language_loss: Tensor | None = None
    """The chat model's loss on its replies; None without chat model."""


class LGVI(nn.Module):
    """U-Net and text encoder as one module: one forward pass, one set of gradients."""

    def __init__(
        self,
        unet: InflatedUNet,
        text_encoder: nn.Module | None,
        with_attributes: bool = False,
        labels: Labels = DRAWN,
    ) -> None:
        """Combine the networks.

        `with_attributes` adds `AttributeHeads` for `labels`, which are not exported.
        """
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder
        self.attribute_heads: AttributeHeads | None = None
        if with_attributes:
            self.attribute_heads = AttributeHeads(unet.feature_channels, labels)
        self.compiled: Any = None

    def forward(
        self, z_t: Tensor, t: Tensor, text: Any, has_text: Tensor, c_x: Tensor
    ) -> Predictions:
        """Predict from noised targets, timesteps, text tokens and source latents.

        `z_t` and `c_x` are [b, 4, f, h, w], `t` is [b]. `text` holds CLIP's tokens [b, 77], those
        of "" for samples without text.
        """
        encoder: Any = self.text_encoder
        return self.predict(z_t, t, encoder(text).last_hidden_state, c_x)

    def predict(self, z_t: Tensor, t: Tensor, text: Tensor, c_x: Tensor) -> Predictions:
        """Predict as `forward` does, but from text features [b, n, d]."""
        # DeepSpeed keeps the weights in half precision and does not cast the inputs.
        dtype = next(self.unet.parameters()).dtype
        z_t, c_x = z_t.to(dtype), c_x.to(dtype)
        single = z_t.shape[2] == 1
        run = self.compiled if single and self.compiled is not None else self._run
        return run(z_t, t, text, c_x)

    def _run(self, z_t: Tensor, t: Tensor, text: Tensor, c_x: Tensor) -> Predictions:
        unet, frames, size = self.unet, z_t.shape[2], (z_t.shape[3], z_t.shape[4])
        noise_pred, features = unet.denoise(z_t, t, unet.prepare(text, c_x))
        mask = None if unet.mask_decoder is None else unet.mask_decoder(features, frames)
        heads = self.attribute_heads
        return Predictions(noise_pred, mask, None if heads is None else heads(features, size))

    def compile_unet(self) -> None:
        """Compile the U-Net for single frames; each new frame size takes minutes to compile."""
        self.compiled = torch.compile(self._run, dynamic=False)


def build_model(config: TrainConfig, with_text_encoder: bool = True) -> LGVI:
    """Build the configured networks with the weights that the run starts from.

    Raises LGVIError, or CheckpointError for an unusable file, if they cannot be built.
    """
    attention = attention_function(config.attention)
    text_encoder: Any = None
    if config.start_from is None:
        unet = InflatedUNet(read_unet_config(_unet_values(config, {}), "unet"), attention=attention)
        unet.initialise_new_parts()
        text_encoder = _new_text_encoder(config.text_encoder)
    else:
        unet = _unet_from_folder(config, attention)
        if with_text_encoder:
            part = read_sub_model(config.start_from, "text_encoder")
            text_encoder = build_text_encoder(part).float()
    if text_encoder is not None and config.attention == "matmul":
        text_encoder.set_attn_implementation("eager")
    heads = config.loss.attribute_weight > 0
    model = LGVI(unet, text_encoder, with_attributes=heads, labels=labels_of(config))
    _choose_trained(model, config)
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if config.compile:
        model.compile_unet()
    return model


def _new_text_encoder(values: dict[str, Any]) -> CLIPTextModel:
    try:
        return CLIPTextModel(CLIPTextConfig(**values))
    except Exception as error:  # transformers refuses wrong values in many ways
        raise LGVIError(f"text_encoder: no CLIP text model can be built: {error}") from error


def labels_of(config: TrainConfig) -> Labels:
    """The nouns and colours of the run's generated scenes."""
    return DRAWN if config.data.collages is None else COLLAGES


def _unet_values(config: TrainConfig, values: dict[str, Any]) -> dict[str, Any]:
    """The U-Net config `values`, with the run's changes and ablations applied."""
    values = {"temp_attn": True, "mask_decoder_type": "MaskDecoder", **values, **config.unet}
    if not config.ablation.video_inflation:
        values["temp_attn"] = False
    if not config.ablation.mask_supervision:
        values["mask_decoder_type"] = None
    return values


def _unet_from_folder(config: TrainConfig, attention: AttentionFunction) -> InflatedUNet:
    assert config.start_from is not None
    part = read_sub_model(config.start_from, "unet")
    if is_unet_2d(part.config, part.state):
        if config.lora is not None:
            raise LGVIError(
                f"lora needs an LGVI to add to; {config.start_from} is an image model. Train it "
                "whole first"
            )
        unet = inflate(part.config, part.state, attention, **_unet_values(config, {}))
        if config.condition_input == "zeros":
            _forget_condition(unet)
        _expect_scaled_condition(unet, config)
        return unet
    own, state = check_unet(part.config, part.state, str(config.start_from))
    values = _unet_values(config, own.model_dump())
    unet = InflatedUNet(read_unet_config(values, str(config.start_from)), attention=attention)
    unet.initialise_new_parts()
    kept = unet.state_dict().keys()
    dropped = [k for k in state if k not in kept and any(part in k for part in NEW_PARTS)]
    used = {key: value for key, value in state.items() if key not in dropped}
    load_old_parts(unet, used, NEW_PARTS, str(config.start_from))
    return unet


@torch.no_grad()
def _forget_condition(unet: InflatedUNet) -> None:
    """Set Conv_x to zeros, as the paper does, so that the source is learnt from nothing."""
    for parameter in unet.condition_conv_in.parameters() if unet.condition_conv_in else ():
        parameter.zero_()


@torch.no_grad()
def _expect_scaled_condition(unet: InflatedUNet, config: TrainConfig) -> None:
    """Adapt `condition_conv_in` of an InstructPix2Pix U-Net to scaled condition latents.

    InstructPix2Pix was trained on condition latents without the VAE's scaling factor, which LGVI
    applies.
    """
    weight: Any = unet.condition_conv_in.weight if unet.condition_conv_in else None
    if weight is not None and config.start_from is not None:
        vae = read_sub_model(config.start_from, "vae").config
        weight /= vae.get("scaling_factor", SD15_SCALING_FACTOR)


def _choose_trained(model: LGVI, config: TrainConfig) -> None:
    """Freeze what the configuration does not train, and add the LoRA layers."""
    if model.text_encoder is not None:
        model.text_encoder.requires_grad_(config.optimizer.text_encoder is not None)
    if not config.ablation.full_fine_tuning:
        for name, parameter in model.unet.named_parameters():
            parameter.requires_grad_(any(part in name for part in NEW_PARTS))
    if config.lora is not None:
        from .lora import add_lora

        model.unet.requires_grad_(False)
        add_lora(model.unet, config.lora)


def attention_function(name: str) -> AttentionFunction:
    """The attention function for "sdpa", "matmul" or "xformers".

    Raises LGVIError if xformers is asked for and not installed.
    """
    if name == "matmul":
        return matmul_attention
    if name == "xformers":
        try:
            from xformers.ops import memory_efficient_attention
        except ImportError as error:
            raise LGVIError(
                "attention: xformers is not installed. Install it (pip install xformers), or "
                "set attention to sdpa"
            ) from error

        def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
            query, key, value = (x.unflatten(-1, (heads, -1)) for x in (query, key, value))
            return memory_efficient_attention(query, key, value).flatten(-2)

        return attention
    return scaled_dot_product_attention


def build_frozen_vae(config: TrainConfig) -> Any:
    """Build the autoencoder that encodes and decodes frames; it is never trained."""
    folder = config.vae
    if folder is None:
        assert config.start_from is not None
        part = read_sub_model(config.start_from, "vae")
    else:
        part = read_sub_model(folder.parent, folder.name)
    return build_vae(part, folder or "start_from").float().requires_grad_(False).eval()


def build_noise_scheduler(config: TrainConfig) -> DDIMScheduler:
    """Build the noise schedule: that of `start_from`, with the configuration's changes.

    Raises LGVIError if diffusers refuses it.
    """
    values = {} if config.start_from is None else read_scheduler(config.start_from)
    try:
        return DDIMScheduler.from_config({**values, **config.scheduler})
    except Exception as error:  # diffusers refuses wrong values in many ways
        raise LGVIError(f"scheduler: no DDIM schedule can be built: {error}") from error


def build_tokenizer(config: TrainConfig) -> CLIPTokenizer:
    """Open the configured tokenizer, that of `start_from`, or the bundled one, in this order.

    Raises LGVIError if the folder is missing.
    """
    folder = config.tokenizer
    if folder is None:
        assert config.start_from is not None
        own = config.start_from / "tokenizer"
        folder = own if own.is_dir() else BUNDLED_MODEL / "tokenizer"
    if not folder.is_dir():
        raise LGVIError(f"tokenizer: {folder} is no folder")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def build_optimizer(
    model: LGVI, config: OptimizerConfig, rates: Mapping[str, Rate]
) -> torch.optim.Optimizer:
    """Build AdamW over the trained parameters, in groups with the names and rates of `rates`.

    A chat model's MM head is in the group "mm_head", its other parts are in "chat". Vectors and
    embeddings have no weight decay. Raises LGVIError if bitsandbytes is needed and not installed.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part = "text_encoder" if name.startswith("text_encoder.") else "unet"
        # Attribute heads start from random weights, as the mask decoder does.
        part = "mask_decoder" if "mask_decoder." in name or "attribute_heads." in name else part
        if name.startswith("chat."):
            part = "mm_head" if name.startswith("chat.mm_head.") else "chat"
        decays = parameter.ndim > 1 and "embedding" not in name
        groups.setdefault((part, decays), []).append(parameter)
    tables = [
        {
            "params": parameters,
            "name": part,
            "lr": rates[part].peak,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (part, decays), parameters in groups.items()
    ]
    if config.kind == "adamw8bit":
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError as error:
            raise LGVIError(
                "optimizer.kind: adamw8bit needs bitsandbytes. Install it (pip install "
                "bitsandbytes), or set kind to adamw"
            ) from error
        return AdamW8bit(tables, betas=config.betas)
    # The fused version, because the default takes a fifth of a small model's step on a CPU.
    return torch.optim.AdamW(tables, betas=config.betas, fused=True)
