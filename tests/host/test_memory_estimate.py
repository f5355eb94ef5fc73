"""ComfyUI reserves what a pass needs, as tools.activation_memory measures it."""

import importlib
from dataclasses import replace

import pytest
import torch

from tools.official import OFFICIAL_UNET

MEASURED = {
    # frames, height and width in cells: MiB with fused attention, and with two products, in fp16
    (16, 32, 48): (441, 1443),
    (24, 40, 64): (1097, 5522),
    (24, 64, 96): (2627, 29375),
}


@pytest.fixture(scope="module")
def official(comfy, tiny_folder):
    """ComfyUI's model of the official size, without weights."""
    module = importlib.import_module("lgvi_pack.nodes.host.model")
    checkpoint = comfy.checkpoint.load_checkpoint(tiny_folder)
    config = importlib.import_module("lgvi_pack.lgvi_core.config").UNetConfig
    checkpoint = replace(checkpoint, unet_config=config.model_validate(OFFICIAL_UNET.model_dump()))
    settings = module.LGVIModelConfig(checkpoint)
    settings.set_inference_dtype(torch.float16, None)
    return module.LGVIModel(settings, module.PREDICTION_TYPES["epsilon"], torch.device("meta"))


@pytest.mark.parametrize("shape", MEASURED)
@pytest.mark.parametrize("fused", [True, False])
def test_the_estimate_is_what_was_measured(comfy, official, monkeypatch, shape, fused):
    monkeypatch.setattr(comfy.management, "xformers_enabled", lambda: fused)
    monkeypatch.setattr(comfy.management, "pytorch_attention_flash_attention", lambda: False)
    frames, height, width = shape
    estimate = official.memory_required([frames, 4, height, width]) / 2**20
    assert estimate == pytest.approx(MEASURED[shape][0 if fused else 1], rel=0.15)


@pytest.mark.slow
def test_the_measurement_itself():
    peak = importlib.import_module("tools.activation_memory").peak
    attention = importlib.import_module("lgvi_core.unet.attention")
    found = [
        peak(16, 256, 384, how)
        for how in (attention.scaled_dot_product_attention, attention.matmul_attention)
    ]
    assert found == pytest.approx(MEASURED[16, 32, 48], rel=0.02)
