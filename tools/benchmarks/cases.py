"""What is measured: the sampling of the bundled model, and of the official one's size."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import diffusers
import torch
from einops import rearrange
from torch import Tensor

from lgvi_core.checkpoint.checkpoint import (
    BUNDLED_MODEL,
    DEFAULT_SCHEDULER,
    Checkpoint,
    load_checkpoint,
)
from lgvi_core.checkpoint.own_settings import OFFICIAL, OwnSettings
from lgvi_core.config import SchedulerConfig, UNetConfig
from lgvi_core.latents import SD15_SCALING_FACTOR
from lgvi_core.sampling import sample
from lgvi_core.schedulers import scheduler_for
from lgvi_core.settings import SamplingSettings
from lgvi_core.unet.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.unet.layers import AttentionFunction
from lgvi_core.unet.unet import InflatedUNet

from ..official import OFFICIAL_UNET
from .measure import Variant
from .released import released_loop

SEED = 1
RELEASED = OwnSettings(scheduler="normal")
"""Settings of the released code: 50 steps of three passes."""
ATTENTIONS: dict[str, AttentionFunction] = {
    "fused attention": scaled_dot_product_attention,
    "attention by two products": matmul_attention,
}


@dataclass(frozen=True)
class Case:
    """A network and a clip, without content where they are random."""

    config: UNetConfig
    state: dict[str, Tensor]
    scheduler: dict[str, Any]
    shape: tuple[int, int, int]
    """Frames, and height and width in cells of the latent."""
    own: OwnSettings

    def unet(self, dtype: torch.dtype, device: str, attention: AttentionFunction) -> InflatedUNet:
        """The network, ready to run."""
        with torch.device("meta"):
            unet = InflatedUNet(self.config, attention=attention)
        unet.load_state_dict(self.state, assign=True)
        return unet.to(device, dtype).eval()

    def inputs(self, dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
        """Noise and condition [1, 4, f, h, w], text and empty text [1, 77, d]."""
        frames, height, width = self.shape
        torch.manual_seed(SEED)
        noise = torch.randn(frames, 4, height, width)  # as ComfyUI's noise of that seed
        c_x = torch.randn(frames, 4, height, width) * 0.5
        texts = torch.randn(2, 1, 77, self.config.cross_attention_dim)
        clips = (rearrange(x, "f c h w -> 1 c f h w") for x in (noise, c_x))
        return tuple(x.to(device, dtype) for x in (*clips, *texts))


def mini() -> Case:
    """The bundled model with its weights, at 8 frames of 160 x 96 pixels."""
    checkpoint = load_checkpoint(BUNDLED_MODEL)
    own, scheduler = checkpoint.own_settings, checkpoint.scheduler
    return Case(checkpoint.unet_config, checkpoint.unet, scheduler, (8, 12, 20), own)


def official(shape: tuple[int, int, int], config: UNetConfig = OFFICIAL_UNET) -> Case:
    """The official model's size with random weights."""
    torch.manual_seed(SEED)
    unet = InflatedUNet(config)
    return Case(config, unet.state_dict(), DEFAULT_SCHEDULER, shape, OFFICIAL)


def core_variants(
    case: Case,
    reference: OwnSettings,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    attention: str = "fused attention",
    compiled: bool = False,
) -> list[Variant]:
    """The released loop, ours with the same settings, and ours with the model's own."""
    unet = case.unet(dtype, device, ATTENTIONS[attention])
    if compiled:
        unet.denoise = torch.compile(unet.denoise)  # type: ignore[method-assign]
    noise, c_x, text, empty = case.inputs(dtype, device)
    scheduler = diffusers.DDIMScheduler.from_config(case.scheduler)
    scales = (reference.text_scale, reference.video_scale)

    def released() -> Tensor:
        return released_loop(unet, scheduler, noise, c_x, text, empty, reference.steps, *scales)[0]

    def ours(own: OwnSettings) -> Callable[[], Tensor]:
        settings = SamplingSettings(SEED).complete(own)
        solver = scheduler_for(scheduler, settings.sampler, settings.scheduler)
        return lambda: sample(unet, solver, noise, c_x, text, empty, settings)[0]

    return [
        Variant("released loop", released, unet),
        Variant("ours, the same settings", ours(reference), unet),
        Variant("ours, the model's own settings", ours(case.own), unet, same_numbers=False),
    ]


def node_variants(case: Case, reference: OwnSettings, dtype: str = "fp32") -> list[Variant]:
    """The nodes of this pack in ComfyUI, which has to be imported: see `load_pack`.

    ComfyUI spaces the steps a little differently, so that their numbers are not compared.
    """
    create = import_module("lgvi_pack.nodes.host.checkpoint").create
    sampling = import_module("lgvi_pack.nodes.host.sampling")
    branches = import_module("lgvi_pack.nodes.host.conditioning").branches
    theirs = import_module("lgvi_pack.lgvi_core.settings").SamplingSettings
    model = create(_checkpoint(case), dtype)[0]
    _, c_x, text, empty = case.inputs(torch.float32, "cpu")
    latents = rearrange(c_x, "1 c f h w -> f c h w") / model.model.latent_format.scale_factor
    conds = branches([[text, {}]], [[empty, {}]], latents)

    def nodes(own: OwnSettings) -> Callable[[], Tensor]:
        names = set(theirs.__dataclass_fields__) - {"seed"}
        settings = theirs(seed=SEED, **{name: getattr(own, name) for name in names})
        latent = {"samples": torch.zeros_like(latents)}
        return lambda: sampling.sample_with_mask(model, conds, latent, settings, None)[0]["samples"]

    network = model.model.diffusion_model
    return [
        Variant(f"nodes, {dtype}, the same settings", nodes(reference), network, False),
        Variant(f"nodes, {dtype}, the model's own settings", nodes(case.own), network, False),
    ]


def _checkpoint(case: Case) -> Checkpoint:
    bundled = load_checkpoint(BUNDLED_MODEL)
    return replace(
        bundled,
        unet_config=case.config,
        unet=case.state,
        scheduler=case.scheduler,
        noise_schedule=SchedulerConfig.model_validate(case.scheduler),
        scaling_factor=SD15_SCALING_FACTOR,
        vae=None,
        text_encoder=None,
        own_settings=case.own,
    )
