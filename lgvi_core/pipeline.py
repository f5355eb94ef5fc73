"""The whole method without ComfyUI: frames and a sentence in, frames and mask out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from einops import rearrange
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .attention import scaled_dot_product_attention
from .checkpoint import BUNDLED_MODEL, Checkpoint, Part, load_checkpoint
from .errors import CheckpointError, LGVIError
from .frames import check_frames, fit_frames, from_canvas, to_canvas
from .layers import AttentionFunction
from .masks import latent_mask_to_frames
from .sampling import TEXT_SCALE, VIDEO_SCALE, ProgressCallback, sample
from .unet import InflatedUNet

VAE_CLASSES = {
    "AutoencoderKL": diffusers.AutoencoderKL,
    "AutoencoderTiny": diffusers.AutoencoderTiny,
}
OLD_VAE_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
VAE_CHUNK = 8
"""Frames encoded or decoded at a time."""


@dataclass(frozen=True)
class PipelineOutput:
    """``frames`` [f, h, w, 3] and ``mask`` [f, h, w], both 0 to 1 in the source's size.

    ``mask`` is None where the model has no mask decoder. ``latents`` [1, 4, f, h', w'] are scaled
    as the U-Net makes them.
    """

    frames: Tensor
    mask: Tensor | None
    latents: Tensor


class LGVIPipeline:
    """U-Net, VAE, text encoder and scheduler of one checkpoint, ready to run."""

    def __init__(
        self,
        unet: InflatedUNet,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
    ) -> None:
        """``scheduler`` is any diffusers scheduler; replace the attribute to use another."""
        self.unet = unet
        self.vae = vae
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.scheduler = scheduler

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = BUNDLED_MODEL,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        attention: AttentionFunction = scaled_dot_product_attention,
    ) -> "LGVIPipeline":
        """Load a diffusers folder or a single file; CheckpointError says what it lacks."""
        checkpoint = load_checkpoint(path)
        if checkpoint.vae is None or checkpoint.text_encoder is None:
            raise CheckpointError(
                f"{path}: only a U-Net; the pipeline needs a model with VAE and text encoder"
            )
        with torch.device("meta"):
            unet = InflatedUNet(checkpoint.unet_config, attention=attention)
        unet.load_state_dict(checkpoint.unet, assign=True)
        return cls(
            unet.to(device, dtype).eval(),
            _vae(checkpoint.vae, path).to(device, dtype).eval(),
            _text_encoder(checkpoint.text_encoder).to(device, dtype).eval(),
            CLIPTokenizer.from_pretrained(_tokenizer_folder(checkpoint)),
            _scheduler(checkpoint),
        )

    @torch.inference_mode()
    def __call__(
        self,
        frames: Tensor,
        prompt: str,
        negative_prompt: str = "",
        steps: int = 50,
        text_scale: float = TEXT_SCALE,
        video_scale: float = VIDEO_SCALE,
        seed: int = 0,
        working_size: int = 0,
        callback: ProgressCallback | None = None,
    ) -> PipelineOutput:
        """Remove what ``prompt`` names from ``frames`` [f, h, w, 3], float 0 to 1.

        ``working_size`` is the long side in pixels that the model works at, 0 for the frames' own.
        """
        check_frames(frames)
        if steps < 1:
            raise LGVIError(f"steps must be at least 1, got {steps}")
        weight = next(self.unet.parameters())
        device, dtype = weight.device, weight.dtype
        fit = fit_frames((frames.shape[1], frames.shape[2]), working_size)
        c_x = self.encode(to_canvas(frames, fit).to(device, dtype))
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(c_x.shape, generator=generator).to(device, dtype)
        latents, mask = sample(
            self.unet,
            self.scheduler,
            noise,
            c_x,
            self.encode_text(prompt),
            self.encode_text(negative_prompt),
            steps,
            text_scale,
            video_scale,
            generator,
            callback,
        )
        decoded = from_canvas(self.decode(latents).float().cpu(), fit)
        if mask is not None:
            mask = latent_mask_to_frames(mask[0, 0].cpu(), fit)
        return PipelineOutput(decoded, mask, latents)

    def encode_text(self, prompt: str) -> Tensor:
        """CLIP's last hidden states [1, 77, d], without attention mask, as Stable Diffusion."""
        tokens = self.tokenizer(
            prompt,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        device = next(self.text_encoder.parameters()).device
        return self.text_encoder(tokens.input_ids.to(device)).last_hidden_state

    def encode(self, frames: Tensor) -> Tensor:
        """Scaled latents [1, 4, f, h / 8, w / 8] of ``frames`` [f, h, w, 3], 0 to 1 (Eq. 2).

        The mean of the posterior where the VAE has one: the deterministic choice.
        """
        chunks = []
        for chunk in rearrange(frames, "f h w c -> f c h w").split(VAE_CHUNK):
            encoded = self.vae.encode(chunk * 2 - 1)
            has_posterior = hasattr(encoded, "latent_dist")
            chunks.append(encoded.latent_dist.mode() if has_posterior else encoded.latents)
        latents = torch.cat(chunks) * self.vae.config.scaling_factor
        return rearrange(latents, "f c h w -> 1 c f h w")

    def decode(self, latents: Tensor) -> Tensor:
        """Frames [f, h, w, 3], 0 to 1, of scaled ``latents`` [1, 4, f, h / 8, w / 8]."""
        latents = rearrange(latents, "1 c f h w -> f c h w") / self.vae.config.scaling_factor
        chunks = [self.vae.decode(chunk).sample for chunk in latents.split(VAE_CHUNK)]
        return rearrange(torch.cat(chunks) / 2 + 0.5, "f c h w -> f h w c").clamp(0, 1)


def _vae(part: Part, origin: str | Path) -> nn.Module:
    name = part.config.get("_class_name", "AutoencoderKL")
    if name not in VAE_CLASSES:
        raise CheckpointError(f"{origin}: VAE class {name!r} is not one of {sorted(VAE_CLASSES)}")
    vae = VAE_CLASSES[name].from_config(part.config)
    state = {_current_vae_name(key): value for key, value in part.state.items()}
    vae.load_state_dict(state)
    return vae


def _current_vae_name(key: str) -> str:
    """Today's name of a VAE attention weight; Stable Diffusion 1.5's file may have old ones."""
    for old, new in OLD_VAE_NAMES.items():
        key = key.replace(old, new)
    return key


def _text_encoder(part: Part) -> nn.Module:
    config = CLIPTextConfig.from_dict(part.config)
    with torch.device("meta"):
        expected = CLIPTextModel(config).state_dict().keys()
    model = CLIPTextModel(config)
    state = {key: v for key, v in part.state.items() if not key.endswith("position_ids")}
    if expected and not next(iter(expected)).startswith("text_model."):
        state = {key.removeprefix("text_model."): value for key, value in state.items()}
    model.load_state_dict(state)
    return model


def _tokenizer_folder(checkpoint: Checkpoint) -> Path:
    """The checkpoint's own tokenizer; CLIP's, which a single file relies on, is bundled."""
    own = checkpoint.origin / "tokenizer"
    return own if own.is_dir() else BUNDLED_MODEL / "tokenizer"


def _scheduler(checkpoint: Checkpoint) -> Any:
    name = checkpoint.scheduler.get("_class_name", "DDIMScheduler")
    scheduler_class = getattr(diffusers, str(name), None)
    if not (
        isinstance(scheduler_class, type) and issubclass(scheduler_class, diffusers.SchedulerMixin)
    ):
        raise CheckpointError(f"{checkpoint.origin}: unknown diffusers scheduler {name!r}")
    return scheduler_class.from_config(checkpoint.scheduler)
