"""Load LGVI copies no weights that ComfyUI can use as they are in the file."""

import pytest
import torch


def test_weights_that_need_no_cast_stay_in_the_file(comfy, tiny_folder):
    checkpoint = comfy.checkpoint.load_checkpoint(tiny_folder)
    model, _, _ = comfy.comfy_checkpoint.create(checkpoint, "fp32")
    for name, tensor in model.model.diffusion_model.state_dict().items():
        assert tensor.data_ptr() == checkpoint.unet[name].data_ptr(), name


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp8_e4m3fn"])
def test_others_are_cast(comfy, tiny_folder, dtype):
    checkpoint = comfy.checkpoint.load_checkpoint(tiny_folder)
    model, _, _ = comfy.comfy_checkpoint.create(checkpoint, dtype)
    wanted = comfy.comfy_checkpoint.DTYPES[dtype]
    for name, tensor in model.model.diffusion_model.state_dict().items():
        assert tensor.dtype == wanted, name
        assert torch.equal(tensor.float(), checkpoint.unet[name].to(wanted).float()), name
