"""The whole method without ComfyUI: frames and a sentence in, frames and a mask out."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from .canvas import Fit, check_frames, fit_canvas, from_canvas, to_canvas
from .checkpoint.checkpoint import BUNDLED_MODEL, load_checkpoint
from .checkpoint.guard import panics_as_errors
from .checkpoint.own_settings import OwnSettings
from .checkpoint.parts import (
    build_scheduler,
    build_text_encoder,
    build_tokenizer,
    build_vae,
    decode_latents,
    encode_images,
)
from .crops import Crops
from .errors import CheckpointError, LGVIError
from .masks import composite, latent_mask_to_frames, soft_mask
from .sampling import StepCallback, sample
from .schedulers import scheduler_for
from .settings import OWN, MaskSettings, SamplingSettings
from .unet.attention import scaled_dot_product_attention
from .unet.layers import AttentionFunction
from .unet.unet import InflatedUNet
from .view import View

LOOK_EVERY = 4
"""Distance in frames of those in which a small object is looked for."""


@dataclass(frozen=True)
class PipelineOutput:
    """Result of a removal."""

    frames: Tensor
    """Frames without the object [f, h, w, 3], 0 to 1, in the source's size."""
    mask: Tensor | None
    """Predicted mask [f, h, w], 0 to 1, in the source's size; None without a mask decoder."""
    latents: Tensor
    """Latents of the canvas [1, 4, f, h', w'], scaled as the U-Net makes them."""


@dataclass(frozen=True)
class RemovalOutput:
    """A finished removal, in the source's size."""

    frames: Tensor
    """[f, h, w, 3], 0 to 1: the source, bit for bit, but for the place of the object."""
    opacity: Tensor
    """How much was laid over the source, [f, h, w], 0 to 1."""
    unseen: Tensor
    """What had to be painted, [f, h, w], 0 to 1."""


class LGVIPipeline:
    """A checkpoint's U-Net, VAE, text encoder and scheduler, ready to run."""

    def __init__(
        self,
        unet: InflatedUNet,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
        own_settings: OwnSettings | None = None,
    ) -> None:
        """Assemble a pipeline from loaded parts.

        `scheduler` is any diffusers scheduler; settings of sampler and spacing change it. Assign
        the attribute to use another one as it is. `text_encoder` and `tokenizer` are None for an
        end-to-end model that has none. `own_settings` are those of the checkpoint, or the released
        inference code's by default.
        """
        self.unet = unet
        self.vae = vae
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.scheduler = self._given_scheduler = scheduler
        self.own_settings = own_settings or OwnSettings()

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = BUNDLED_MODEL,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        attention: AttentionFunction = scaled_dot_product_attention,
    ) -> "LGVIPipeline":
        """Load a diffusers folder or a single file.

        Raises CheckpointError where the VAE or a needed text encoder is missing, and LGVIError as
        `load_checkpoint` does.
        """
        checkpoint = load_checkpoint(path)
        text_part = checkpoint.text_encoder
        if checkpoint.vae is None or (text_part is None and checkpoint.reads_sentences):
            raise CheckpointError(
                f"{path}: only a U-Net; the pipeline needs a model with VAE and text encoder"
            )
        with torch.device("meta"):
            unet = InflatedUNet(checkpoint.unet_config, attention=attention)
        unet.load_state_dict(checkpoint.unet, assign=True)
        vae = build_vae(checkpoint.vae, path).to(device, dtype).eval()
        if torch.device(device).type == "cpu":
            vae.to(memory_format=torch.channels_last)  # as a CPU's convolutions want it
        return cls(
            unet.to(device, dtype).eval(),
            vae,
            text_part and build_text_encoder(text_part, path).to(device, dtype).eval(),
            text_part and build_tokenizer(checkpoint),
            build_scheduler(checkpoint),
            checkpoint.own_settings,
        )

    @torch.inference_mode()
    def __call__(
        self,
        frames: Tensor,
        prompt: str | Tensor,
        negative_prompt: str = "",
        working_size: int = OWN,
        callback: StepCallback | None = None,
        **settings: Any,
    ) -> PipelineOutput:
        """Remove what `prompt` names from `frames` [f, h, w, 3], float 0 to 1.

        `prompt` is a sentence, or the features [1, n, d] of a chat model's MM head, whose
        unconditional counterpart is zeros. `working_size` is the longer side in pixels at which the
        model works: the model's own by default; 0 keeps the frames' own size. `settings` are fields
        of SamplingSettings, the model's own by default; of samplers and schedulers there are those
        of `lgvi_core.schedulers`.
        Raises LGVIError for frames, features or settings that cannot be used.
        """
        check_frames(frames)
        sampling = _sampling_settings(settings).complete(self.own_settings)
        scheduler = self._scheduler_for(sampling, settings.keys())
        weight = next(self.unet.parameters())
        device, dtype = weight.device, weight.dtype
        fit = self._fit(frames, working_size)
        text, no_text = self._conditions(prompt, negative_prompt)
        c_x = self.encode(to_canvas(frames, fit).to(device, dtype))
        generator = torch.Generator().manual_seed(sampling.seed)
        noise = torch.randn(c_x.shape, generator=generator).to(device, dtype)
        latents, mask = sample(
            self.unet,
            scheduler,
            noise,
            c_x,
            text,
            no_text,
            sampling,
            generator,
            callback,
        )
        decoded = from_canvas(self.decode(latents).float().cpu(), fit)
        if mask is not None:
            mask = latent_mask_to_frames(mask[0, 0].cpu(), fit)
        return PipelineOutput(decoded, mask, latents)

    def remove(
        self,
        frames: Tensor,
        prompt: str | Tensor,
        mask: MaskSettings | None = None,
        background: bool = True,
        working_size: int = OWN,
        crop: bool = False,
        **options: Any,
    ) -> RemovalOutput:
        """Remove what `prompt` names, and keep everything outside the predicted mask as it is.

        With `background`, what other frames show behind the object is put back, and only the rest
        is painted. With `crop`, a small object is looked for first and worked on in a crop that
        follows it, where that helps. `frames`, `working_size` and `options` are those of a call of
        the pipeline. Raises LGVIError as that does, and where the model predicts no mask.
        """
        check_frames(frames)
        size = (frames.shape[1], frames.shape[2])
        crops = self._crops(frames, prompt, working_size, options) if crop else None
        view = View.of(size, self.own_settings.working_size_for(working_size), crops)
        shown = frames if crops is None else crops.cut(frames)
        output = self(shown, prompt, working_size=working_size, **options)
        if output.mask is None:
            raise LGVIError(
                "this model predicts no mask, without which nothing could stay as it is"
            )
        opacity = soft_mask(output.mask, mask or MaskSettings(), view.fit.cell)
        opacity = torch.stack([view.placed(x, number) for number, x in enumerate(opacity)])
        painting = output.frames
        if view.crops is not None:
            painting = view.crops.put(painting, onto=frames)
        if not background:
            laid = composite(frames, painting, opacity, fit_canvas(size))
            return RemovalOutput(laid, opacity, (opacity > 0).float())
        from .background import fill_background  # needs OpenCV

        filled = fill_background(frames, opacity, painting.to(frames))
        return RemovalOutput(filled.frames, opacity, filled.unseen)

    def _crops(
        self, frames: Tensor, prompt: str | Tensor, working_size: int, options: dict[str, Any]
    ) -> Crops | None:
        """Look for the object, and return crops that follow it where they help."""
        from .look import Look  # needs OpenCV

        def predict(frame: Tensor) -> Tensor:
            mask = self(frame, prompt, working_size=0, **options).mask
            if mask is None:
                raise LGVIError("this model predicts no mask, by which an object could be found")
            return mask

        size = (frames.shape[1], frames.shape[2])
        look = Look(predict, size, self.own_settings.working_size_for(working_size))
        return look.crops(frames, look.boxes(frames, LOOK_EVERY), len(frames))

    def _scheduler_for(self, sampling: SamplingSettings, asked: Collection[str]) -> Any:
        if self.scheduler is self._given_scheduler:
            return scheduler_for(self.scheduler, sampling.sampler, sampling.scheduler)
        if "sampler" in asked or "scheduler" in asked:
            raise LGVIError(
                "the pipeline was given a scheduler of its own: leave out sampler and scheduler, "
                "or do not assign pipeline.scheduler"
            )
        return self.scheduler

    def _fit(self, frames: Tensor, working_size: int) -> Fit:
        size = (frames.shape[1], frames.shape[2])
        return fit_canvas(size, self.own_settings.working_size_for(working_size))

    def _conditions(self, prompt: str | Tensor, negative_prompt: str) -> tuple[Tensor, Tensor]:
        config = self.unet.config
        kind = "clip" if isinstance(prompt, str) else "mm_head"
        if kind not in config.text_features:
            raise LGVIError(
                f"this model takes {' or '.join(config.text_features)} features, got {kind}: a "
                "two-stage model takes a sentence, an end-to-end one a chat model's features"
            )
        if isinstance(prompt, str):
            return self.encode_text(prompt), self.encode_text(negative_prompt)
        if prompt.ndim != 3 or prompt.shape[-1] != config.cross_attention_dim:
            raise LGVIError(
                f"features must be [1, n, {config.cross_attention_dim}], got {list(prompt.shape)}"
            )
        weight = next(self.unet.parameters())
        features = prompt.to(weight.device, weight.dtype)
        return features, torch.zeros_like(features)

    def encode_text(self, prompt: str) -> Tensor:
        """Encode `prompt` as CLIP's last hidden states [1, 77, d], without an attention mask."""
        with panics_as_errors("the tokenizer of this model"):
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
        """Encode `frames` [f, h, w, 3], 0 to 1, as scaled latents [1, 4, f, h / 8, w / 8]."""
        images = rearrange(frames, "f h w c -> f c h w") * 2 - 1
        return rearrange(encode_images(self.vae, images), "f c h w -> 1 c f h w")

    def decode(self, latents: Tensor) -> Tensor:
        """Decode scaled `latents` [1, 4, f, h / 8, w / 8] to frames [f, h, w, 3], 0 to 1."""
        images = decode_latents(self.vae, rearrange(latents, "1 c f h w -> f c h w"))
        return rearrange(images / 2 + 0.5, "f c h w -> f h w c").clamp(0, 1)


def _sampling_settings(values: dict[str, Any]) -> SamplingSettings:
    """Return the settings with these `values`; raises LGVIError for a name that is not accepted."""
    known = [field.name for field in fields(SamplingSettings)]
    if unknown := sorted(values.keys() - set(known)):
        raise LGVIError(f"the pipeline has no {', '.join(unknown)}; it takes {', '.join(known)}")
    return SamplingSettings(**values)
