"""The U-Net, compared with outputs of the authors' released code."""

import diffusers
import pytest
import torch

from lgvi_core.sampling import sample
from lgvi_core.settings import SamplingSettings
from lgvi_core.unet.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.unet.unet import InflatedUNet
from support.cases import (
    filled_unet,
    load_case,
    load_outputs,
    make_config,
    make_inputs,
    make_state,
)

TOLERANCE = 1e-4


@pytest.mark.parametrize("attention", [scaled_dot_product_attention, matmul_attention])
@pytest.mark.parametrize("name", ["unet_small", "unet_small_one_frame"])
def test_unet_matches_released_outputs(name, attention):
    case, expected = load_case(name), load_outputs(name)
    unet = InflatedUNet(make_config(case), attention=attention).eval()
    unet.load_state_dict(make_state(case))
    inputs = make_inputs(case)
    with torch.inference_mode():
        output = unet(
            inputs["sample"],
            torch.tensor(case["timestep"]),
            inputs["encoder_hidden_states"],
            inputs["img_condition"],
        )
    assert (output.noise_pred - expected["noise_pred"]).abs().max() < TOLERANCE
    assert (output.mask_logits.sigmoid() - expected["mask"]).abs().max() < TOLERANCE


@pytest.mark.slow
def test_sampling_matches_released_pipeline():
    case, expected = load_case("sampling_ddim"), load_outputs("sampling_ddim")["latents"]
    config = dict(case["scheduler"])
    scheduler = getattr(diffusers, config.pop("type"))(**config)
    inputs = make_inputs(case)
    latents, mask = sample(
        filled_unet(make_config(load_case(case["unet"]))),
        scheduler,
        inputs["noise"],
        inputs["source_latents"],
        inputs["text"],
        inputs["negative_text"],
        SamplingSettings(
            steps=case["steps"],
            text_scale=case["guidance_scale"],
            video_scale=case["image_guidance_scale"],
            guidance_start=0.0,
            guidance_end=1.0,
        ),
    )
    assert (latents - expected).abs().max() / expected.abs().max() < TOLERANCE
    assert mask is not None
    assert mask.shape == (1, 1, *expected.shape[2:])


def test_full_size_layout_has_every_released_tensor():
    case = load_case("unet_sd15_layout")
    unet = InflatedUNet(make_config(case), device="meta")
    layout = {name: list(value.shape) for name, value in unet.state_dict().items()}
    assert layout == case["state_dict"]
