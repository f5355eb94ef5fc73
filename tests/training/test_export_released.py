"""Exports for the authors' released code: the names of classes, blocks and keys that it knows."""

import json
import logging
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from lgvi_core.checkpoint.checkpoint import SubModel, load_checkpoint
from lgvi_core.config import UNetConfig
from lgvi_core.errors import LGVIError
from support.tiny_chat import make_chat_folder
from support.train_run import OWN_PARTS, tiny_values
from train.export import export
from train.joint.config import JointConfig
from train.lgvi.config import TrainConfig
from train.released import misfits, released_unet_config
from train.train_lgvi import train
from train.train_lgvi_i import train as train_lgvi_i

pytestmark = pytest.mark.training

BLOCKS = {"CrossAttnDownBlock3D", "DownBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"}
"""The blocks that the released U-Net builds; any other name is an error there."""
KEYS = {
    "act_fn",
    "attention_head_dim",
    "block_out_channels",
    "center_input_sample",
    "class_embed_type",
    "cross_attention_dim",
    "cross_frame_type",
    "down_block_types",
    "downsample_padding",
    "dual_cross_attention",
    "flip_sin_to_cos",
    "freq_shift",
    "in_channels",
    "lan_cross_attn",
    "layers_per_block",
    "mask_decoder_type",
    "mid_block_scale_factor",
    "mid_block_type",
    "norm_eps",
    "norm_num_groups",
    "num_class_embeds",
    "only_cross_attention",
    "out_channels",
    "ref_frame_type_2",
    "resnet_time_scale_shift",
    "sample_size",
    "temp_attn",
    "up_block_types",
    "upcast_attention",
    "use_linear_projection",
}
"""The parameters of the released `RoviModel`."""


MASK_DECODER = {"mask_decoder_channels": 512, "mask_decoder_groups": 32}
"""The only size that the released code builds."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "run"
    train(TrainConfig.model_validate(tiny_values(output, max_steps=1, unet=MASK_DECODER)))
    AcceleratorState._reset_state(reset_partial_state=True)
    return output


def written(folder: Path) -> tuple[dict, dict]:
    """The U-Net's config and the index of an exported folder."""
    config = json.loads((folder / "unet" / "config.json").read_text())
    return config, json.loads((folder / "model_index.json").read_text())


def test_lgvi_has_the_names_of_the_released_code(run, tmp_path):
    export(run, tmp_path / "ours", "MIT", torch.float32)
    export(run, tmp_path / "theirs", "MIT", torch.float32, released=True)
    config, index = written(tmp_path / "theirs")
    assert config["_class_name"] == "RoviModel"
    assert {key for key in config if key[0] != "_"} <= KEYS
    assert config["down_block_types"] == ["CrossAttnDownBlock3D", "DownBlock3D"]
    assert config["up_block_types"] == ["UpBlock3D", "CrossAttnUpBlock3D"]
    assert config["mid_block_type"] == "UNetMidBlock3DCrossAttn"
    assert config["sample_size"] >= 64, "the released pipeline compares it with 64"
    assert index["_class_name"] == "RoviPipeline"
    assert index["unet"] == ["rovi.models.unet", "RoviModel"]
    parts = {name for name in index if name[0] != "_"}
    assert parts == {"vae", "text_encoder", "tokenizer", "unet", "scheduler"}
    assert "lgvi_core" not in json.dumps([config, index])
    ours, theirs = (
        load_file(tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors")
        for name in ("ours", "theirs")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    whole = load_checkpoint(tmp_path / "theirs"), load_checkpoint(tmp_path / "ours")
    assert whole[0].unet_config == whole[1].unet_config


def test_lgvi_i_has_the_names_of_the_released_code(run, tmp_path):
    export(run, tmp_path / "lgvi", "MIT", torch.float32)
    chat = make_chat_folder(tmp_path / "chat", mm_features=None, context=1024)
    values = tiny_values(
        tmp_path / "run",
        max_steps=1,
        start_from=str(tmp_path / "lgvi"),
        optimizer={"text_encoder": None, "unet": {"peak": 1e-3}},
        **OWN_PARTS,
    )
    values["chat"] = {"model": str(chat), "feature_length": 48}
    train_lgvi_i(JointConfig.model_validate(values))
    export(tmp_path / "run", tmp_path / "theirs", "MIT", torch.float32, released=True)
    config, index = written(tmp_path / "theirs")
    assert {key for key in config if key[0] != "_"} <= KEYS
    assert {*config["down_block_types"], *config["up_block_types"]} <= BLOCKS
    assert index["_class_name"] == "RoviPipelineMLLM"
    assert {name for name in index if name[0] != "_"} == {"vae", "unet", "scheduler"}
    assert load_checkpoint(tmp_path / "theirs").unet_config.text_features == ("mm_head",)


def test_the_full_size_config_is_that_of_the_released_model():
    unet = UNetConfig(cross_attention_dim=768, temp_attn=True, mask_decoder_type="MaskDecoder")
    config = released_unet_config(unet.model_dump(exclude_defaults=True))
    assert config["down_block_types"] == [*["CrossAttnDownBlock3D"] * 3, "DownBlock3D"]
    assert config["up_block_types"] == ["UpBlock3D", *["CrossAttnUpBlock3D"] * 3]
    vae = SubModel({"_class_name": "AutoencoderKL", "scaling_factor": 0.18215}, {})
    assert misfits({"unet": SubModel(config, {}), "vae": vae}) == []


def test_what_the_released_code_cannot_run_is_said(run, tmp_path, caplog):
    train(TrainConfig.model_validate(tiny_values(tmp_path / "run", max_steps=1)))
    for name, output in (("small", tmp_path / "run"), ("full", run)):
        with caplog.at_level(logging.WARNING):
            export(output, tmp_path / name, "MIT", torch.float32, released=True)
        said = caplog.text
        caplog.clear()
        assert ("mask_decoder_channels of the mask decoder is 16, theirs is 512" in said) == (
            name == "small"
        )
        assert "will not run it: the autoencoder is AutoencoderTiny" in said


def test_released_is_a_folder(run, tmp_path):
    with pytest.raises(LGVIError, match="needs a folder"):
        export(run, tmp_path / "file.safetensors", "MIT", released=True)
    with pytest.raises(LGVIError, match="leave out --chat-output"):
        export(run, tmp_path / "folder", "MIT", chat_output=tmp_path / "chat", released=True)
