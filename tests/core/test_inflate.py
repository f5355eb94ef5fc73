"""Inflation: on single frames, InstructPix2Pix's 2-D U-Net and its inflation are the same."""

import diffusers
import pytest
import torch

from lgvi_core.checkpoint.checkpoint import check_unet
from lgvi_core.errors import CheckpointError
from lgvi_core.unet.inflate import inflate
from lgvi_core.unet.unet import InflatedUNet
from support.parity import recipe


@pytest.fixture(scope="module")
def flat():
    unet = diffusers.UNet2DConditionModel(
        in_channels=8,
        out_channels=4,
        block_out_channels=(16, 32, 32),
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=2,
        norm_num_groups=8,
    ).eval()
    unet.load_state_dict({k: recipe.weight(k, list(v.shape)) for k, v in unet.state_dict().items()})
    return unet


def make_inputs():
    return (
        recipe.tensor("z_t", [2, 4, 1, 8, 12]),
        torch.tensor(321),
        recipe.tensor("text", [2, 7, 24]),
        recipe.tensor("c_x", [2, 4, 1, 8, 12]),
    )


def expected(flat):
    z_t, t, text, c_x = make_inputs()
    return flat(torch.cat([z_t, c_x], dim=1)[:, :, 0], t, text).sample


def test_loaded_for_use(flat):
    values = {**flat.config, "_class_name": "UNet2DConditionModel"}
    config, state = check_unet(values, flat.state_dict(), "here")
    unet = InflatedUNet(config).eval()
    unet.load_state_dict(state)
    with torch.inference_mode():
        difference = unet(*make_inputs()).noise_pred[:, :, 0] - expected(flat)
    assert difference.abs().max() < 1e-4


def test_inflated_for_training(flat):
    unet = inflate(dict(flat.config), flat.state_dict(), mask_decoder_channels=64).eval()
    assert unet.config.temp_attn
    with torch.inference_mode():
        output = unet(*make_inputs())
        difference = output.noise_pred[:, :, 0] - expected(flat)
    assert difference.abs().max() < 1e-4
    assert output.mask_logits.shape == (2, 1, 1, 8, 12)


def test_weights_of_another_network_are_refused(flat):
    state = {k: v for k, v in flat.state_dict().items() if "conv_out" not in k}
    with pytest.raises(CheckpointError, match=r"missing \(conv_out"):
        inflate(dict(flat.config), state)
