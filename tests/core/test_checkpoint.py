"""Reading of checkpoints: the released layouts load, anything else is refused with a reason."""

import json
import logging
import pickle
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from lgvi_core.checkpoint.checkpoint import (
    CONFIG_KEY,
    SUB_MODELS,
    load_checkpoint,
    read_sub_model,
    save_single_file,
)
from lgvi_core.errors import CheckpointError, LGVIError
from lgvi_core.unet.unet import InflatedUNet
from support.cases import load_case, make_state
from support.tiny_checkpoint import write_checkpoint


@pytest.fixture
def folder(tmp_path):
    return write_checkpoint(tmp_path / "model")


def weights(folder):
    return folder / "unet" / "diffusion_pytorch_model.safetensors"


def change_config(folder, **changes):
    path = folder / "unet" / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v != "drop"}))


def test_folder_loads_with_all_parts(folder):
    checkpoint = load_checkpoint(folder)
    InflatedUNet(checkpoint.unet_config).load_state_dict(checkpoint.unet)
    assert checkpoint.has_mask_decoder
    assert checkpoint.vae.state
    assert checkpoint.text_encoder.config["hidden_size"] == 24
    assert checkpoint.scaling_factor == 1.0


def test_single_file_is_the_same_model(folder, tmp_path):
    parts = {name: read_sub_model(folder, name) for name in SUB_MODELS}
    path = tmp_path / "model.safetensors"
    save_single_file(path, parts, {"prediction_type": "v_prediction"}, {"licence": "MIT"})
    one, other = load_checkpoint(folder), load_checkpoint(path)
    assert one.unet_config == other.unet_config
    assert one.unet.keys() == other.unet.keys()
    assert all(torch.equal(one.unet[k], other.unet[k]) for k in one.unet)
    assert other.scheduler["prediction_type"] == "v_prediction"
    assert other.text_encoder.state.keys() == one.text_encoder.state.keys()


def test_bare_unet_file_loads_without_vae_and_text(folder, tmp_path):
    path = tmp_path / "unet.safetensors"
    config = json.loads((folder / "unet" / "config.json").read_text())
    save_file(load_file(weights(folder)), path, {CONFIG_KEY: json.dumps({"unet": config})})
    checkpoint = load_checkpoint(path)
    assert checkpoint.vae is None
    assert checkpoint.text_encoder is None
    assert checkpoint.scheduler["prediction_type"] == "epsilon"


def test_pickled_tensors_load(folder):
    state = load_file(weights(folder))
    weights(folder).unlink()
    torch.save(state, folder / "unet" / "diffusion_pytorch_model.bin")
    assert load_checkpoint(folder).unet.keys() == state.keys()


def test_released_config_without_decoder_keys_finds_the_decoder_in_the_weights(tmp_path):
    case = load_case("unet_small")
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(case["config"]))
    save_file(make_state(case), weights(tmp_path))
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.unet_config.mask_decoder_channels == case["mask_decoder_channels"]


def test_missing_mask_decoder_is_said_and_switched_off(folder, caplog):
    state = {k: v for k, v in load_file(weights(folder)).items() if "mask_decoder" not in k}
    save_file(state, weights(folder))
    with caplog.at_level(logging.WARNING):
        checkpoint = load_checkpoint(folder)
    assert not checkpoint.has_mask_decoder
    assert "no mask-decoder weights" in caplog.text


def test_unknown_keys_are_reported_and_ignored(folder, caplog):
    change_config(folder, st_attn=True, brand_new_option=7)
    with caplog.at_level(logging.INFO):
        load_checkpoint(folder)
    assert "brand_new_option" in caplog.text
    assert "st_attn" not in caplog.text


def test_image_unet_inflates(tmp_path):
    folder = write_checkpoint(
        tmp_path / "ip2p", in_channels=8, temp_attn=False, mask_decoder_type=None
    )
    names = {
        "_class_name": "UNet2DConditionModel",
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "temp_attn": "drop",
    }
    change_config(folder, **names)
    before = load_file(weights(folder))
    checkpoint = load_checkpoint(folder)
    assert checkpoint.unet_config.in_channels == 4
    joined = [checkpoint.unet[f"{n}.weight"] for n in ("conv_in", "condition_conv_in")]
    assert torch.equal(torch.cat(joined, dim=1), before["conv_in.weight"])
    InflatedUNet(checkpoint.unet_config).load_state_dict(checkpoint.unet)


def truncate(folder):
    path = weights(folder)
    path.write_bytes(path.read_bytes()[:-1000])


def not_a_tensor_file(folder):
    weights(folder).write_bytes(b"<html>404</html>")


def huge_header(folder):
    weights(folder).write_bytes(struct.pack("<Q", 2**62) + b"{}")


def remove_weights(folder):
    weights(folder).unlink()


def drop_tensor(folder):
    state = load_file(weights(folder))
    del state["mid_block.resnets.0.conv1.weight"]
    save_file(state, weights(folder))


def drop_part_of_mask_decoder(folder):
    state = load_file(weights(folder))
    del state["mask_decoder.final_conv.weight"]
    save_file(state, weights(folder))


def schedule(**changes):
    def damage(folder):
        path = folder / "scheduler" / "scheduler_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


def scale_zero(folder):
    path = folder / "vae" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "scaling_factor": 0}))


def add_tensor(folder):
    save_file({**load_file(weights(folder)), "stranger": torch.ones(1)}, weights(folder))


def reshape_tensor(folder):
    save_file({**load_file(weights(folder)), "conv_out.bias": torch.ones(7)}, weights(folder))


def broken_json(folder):
    (folder / "unet" / "config.json").write_text("{" * 100_000)


def json_list(folder):
    (folder / "unet" / "config.json").write_text("[]")


def no_unet(folder):
    (folder / "unet").rename(folder / "somewhere")


def sharded(folder):
    weights(folder).rename(f"{weights(folder)}.index.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "diffusion_pytorch_model.safetensors: truncated"),
        (not_a_tensor_file, "diffusion_pytorch_model.safetensors: truncated"),
        (huge_header, "diffusion_pytorch_model.safetensors: truncated"),
        (remove_weights, "no weights here"),
        (drop_tensor, "1 missing .mid_block.resnets.0.conv1.weight."),
        (drop_part_of_mask_decoder, "1 missing .mask_decoder.final_conv.weight."),
        (schedule(beta_start="x"), "beta_start"),
        (schedule(num_train_timesteps=10**15), "num_train_timesteps"),
        (schedule(prediction_type=[1]), "prediction_type"),
        (schedule(trained_betas=[0.1]), "trained_betas"),
        (scale_zero, "scaling_factor of the VAE is 0"),
        (add_tensor, "1 unexpected .stranger."),
        (reshape_tensor, r"wrong shape .conv_out.bias is \[7\] instead of \[4\]"),
        (broken_json, "config.json: not valid JSON"),
        (json_list, "config.json: the configuration is not a JSON object"),
        (no_unet, "not a diffusers folder"),
        (sharded, "split into several files"),
    ],
)
def test_damaged_folders_are_refused_with_the_reason(folder, damage, message):
    damage(folder)
    with pytest.raises(LGVIError, match=message) as error:
        load_checkpoint(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 9}, "in_channels"),
        ({"block_out_channels": [16, 32, 10**12]}, "block_out_channels"),
        ({"layers_per_block": 10**9}, "layers_per_block"),
        ({"attention_head_dim": 5}, "cannot be split into 5 heads"),
        ({"norm_num_groups": 7}, "cannot form 7 groups"),
        ({"down_block_types": ["Evil", "DownBlock3D", "DownBlock3D"]}, "unknown blocks"),
        ({"act_fn": "relu"}, "act_fn"),
        ({"cross_frame_type": "next"}, "cross_frame_type"),
        ({"block_out_channels": "many"}, "block_out_channels"),
        ({"block_out_channels": 5}, "block_out_channels"),
        ({"down_block_types": 5}, "down_block_types"),
        ({"down_block_types": [1, 2, 3]}, "unknown blocks"),
    ],
)
def test_hostile_or_foreign_configs_are_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(LGVIError, match=message):
        load_checkpoint(folder)


class Exploit:
    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(folder, tmp_path, zipped):
    exploit = Exploit()
    exploit.path = str(tmp_path / "ran")
    weights(folder).unlink()
    target = folder / "unet" / "diffusion_pytorch_model.bin"
    if zipped:
        torch.save({"a": exploit}, target)
    else:
        target.write_bytes(pickle.dumps({"a": exploit}))
    with pytest.raises(CheckpointError, match=r"diffusion_pytorch_model\.bin: refused"):
        load_checkpoint(folder)
    assert not (tmp_path / "ran").exists()


def test_foreign_single_file_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"model.diffusion_model.x": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="not an LGVI file"):
        load_checkpoint(path)


def test_missing_path_and_wrong_suffix_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder or file"):
        load_checkpoint(tmp_path / "nothing")
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"must be \.safetensors"):
        load_checkpoint(tmp_path / "model.ckpt")
