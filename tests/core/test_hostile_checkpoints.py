"""Checkpoints from anywhere: what is not finite, too large or no file is refused in words."""

import json
import os
import struct
import time
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from lgvi_core.canvas import check_frames
from lgvi_core.checkpoint.checkpoint import load_checkpoint
from lgvi_core.checkpoint.files import read_json, read_tensors
from lgvi_core.checkpoint.values import check_values
from lgvi_core.errors import CheckpointError, LGVIError
from lgvi_core.masks import overlay
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.settings import MaskSettings
from support.tiny_checkpoint import write_checkpoint

WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}


@pytest.fixture
def folder(tmp_path):
    return write_checkpoint(tmp_path / "model")


def weights_of(folder, part):
    return folder / part / f"{WEIGHTS.get(part, 'model')}.safetensors"


def change_weights(folder, part, change):
    path = weights_of(folder, part)
    state = load_file(path)
    change(state)
    save_file(state, path)


def change_config(folder, part, **changes):
    path = folder / part / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_weights_that_are_no_numbers_are_refused(folder, part, value):
    key = next(key for key in load_file(weights_of(folder, part)) if key.endswith("weight"))

    def damage(state):
        state[key].view(-1)[-1] = value

    change_weights(folder, part, damage)
    with pytest.raises(CheckpointError, match=f"{part}: the weights {key} hold NaN or infinity"):
        load_checkpoint(folder)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_short_numbers_are_checked_too(kind):
    good = torch.rand(10).to(kind)
    check_values({"w": good, "none": good[:0], "position_ids": torch.arange(3)}, "here")
    bad = torch.tensor([1.0, float("nan")]).to(kind)
    with pytest.raises(CheckpointError, match="here: the weights w hold NaN"):
        check_values({"w": bad}, "here")


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.bool])
def test_weights_that_are_no_floats_are_refused(folder, kind):
    def damage(state):
        state["conv_out.bias"] = state["conv_out.bias"].to(kind)

    change_weights(folder, "unet", damage)
    with pytest.raises(CheckpointError, match=r"conv_out\.bias are .*, not floating-point"):
        load_checkpoint(folder)


def raw_file(path, header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.mark.parametrize("metadata", [0, 20_000_000])
def test_endless_headers_are_refused_at_once(tmp_path, metadata):
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = {f"t{i}": empty for i in range(1 if metadata else 100_000)}
    raw_file(tmp_path / "a.safetensors", {"__metadata__": {"x": "y" * metadata}, **header})
    started = time.process_time()
    with pytest.raises(CheckpointError, match=r"a\.safetensors: .* at most .* are read"):
        read_tensors(tmp_path / "a.safetensors")
    assert time.process_time() - started < 2


@pytest.mark.parametrize("header", [b"", b"[" * 100_000, b"[1]", b"\xff\xfe", b'{"a": 1}'])
def test_headers_that_are_none_are_refused(tmp_path, header):
    raw_file(tmp_path / "a.safetensors", header)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: truncated, damaged"):
        read_tensors(tmp_path / "a.safetensors")


def test_a_zip_bomb_is_refused(folder):
    path = folder / "unet" / "diffusion_pytorch_model.bin"
    weights_of(folder, "unet").unlink()
    torch.save({"a": torch.zeros(1_000_000)}, folder / "plain")
    packed = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(folder / "plain") as plain, zipfile.ZipFile(path, "w", packed) as bomb:
        for entry in plain.infolist():
            bomb.writestr(entry.filename, plain.read(entry))
    with pytest.raises(CheckpointError, match=r"model\.bin: refused: its \d+ bytes unpack to 40"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(10**12), torch.zeros(2, 2).to_sparse(), torch.zeros(2, device="meta")],
)
def test_tensors_that_are_not_stored_are_refused(tmp_path, tensor):
    torch.save({"a": tensor}, tmp_path / "a.bin")
    with pytest.raises(CheckpointError, match="not stored in full"):
        read_tensors(tmp_path / "a.bin")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 65536}, r"text encoder does not fit: .*wrong shape"),
        ({"num_hidden_layers": 200}, "missing"),
        ({"num_hidden_layers": 20_000}, "num_hidden_layers"),
        ({"max_position_embeddings": 60_000}, "wrong shape"),
        ({"hidden_size": float("nan")}, "hidden_size"),
        ({"num_attention_heads": 5}, "24 cannot be split into 5 heads"),
    ],
)
def test_a_text_encoder_is_compared_before_it_is_built(folder, changes, message):
    change_config(folder, "text_encoder", **changes)
    started = time.process_time()
    with pytest.raises(LGVIError, match=message) as error:
        LGVIPipeline.from_checkpoint(folder)
    assert str(folder) in str(error.value)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "changes", [{"vocab_size": 10**30}, {"projection_dim": 1e308}, {"dtype": []}], ids=str
)
def test_of_a_text_encoder_only_what_describes_the_network_is_taken(folder, changes):
    change_config(folder, "text_encoder", **changes)
    pipeline = LGVIPipeline.from_checkpoint(folder)
    assert pipeline.encode_text("the ball").shape == (1, 77, 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_block_out_channels": [60_000] * 4}, "VAE does not fit: .*wrong shape"),
        ({"num_encoder_blocks": [10**9, 1, 1, 1]}, "num_encoder_blocks"),
        ({"num_decoder_blocks": "many"}, "num_decoder_blocks"),
        ({"latent_channels": 16}, "latent_channels"),
        ({"upsampling_scaling_factor": float("nan")}, "upsampling_scaling_factor"),
        ({"act_fn": "unheard"}, "no VAE can be built of its config"),
        ({"_class_name": "AutoencoderKL", "layers_per_block": 10**9}, "layers_per_block"),
        ({"_class_name": "AutoencoderKL"}, "VAE does not fit"),
    ],
)
def test_a_vae_is_compared_before_it_is_built(folder, changes, message):
    change_config(folder, "vae", _use_default_values=[], **changes)
    with pytest.raises(LGVIError, match=message) as error:
        LGVIPipeline.from_checkpoint(folder)
    assert str(folder) in str(error.value)


def test_a_tokenizer_without_its_files_is_named(folder):
    (folder / "tokenizer").mkdir()
    with pytest.raises(CheckpointError, match=r"tokenizer lacks vocab\.json and merges\.txt"):
        LGVIPipeline.from_checkpoint(folder)
    for name in ("vocab.json", "merges.txt"):
        (folder / "tokenizer" / name).write_text("no such thing")
    with pytest.raises(CheckpointError, match="tokenizer: the tokenizer cannot be used"):
        LGVIPipeline.from_checkpoint(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_pipes_devices_and_large_files_are_not_read(folder, tmp_path):
    config = folder / "unet" / "config.json"
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(CheckpointError, match=r"config\.json: not a file, but"):
        load_checkpoint(folder)
    config.unlink()
    config.symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match=r"config\.json: not a file, but"):
        load_checkpoint(folder)
    large = tmp_path / "large.json"
    large.write_text("[" + " " * 100 + "]")
    with pytest.raises(CheckpointError, match="larger than any such file"):
        read_json(large, limit=100)
    assert read_json(large, limit=102) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"freq_shift": float("nan")},
        {"freq_shift": 8.0},
        {"mid_block_scale_factor": float("nan")},
        {"mid_block_scale_factor": 0},
        {"norm_eps": float("inf")},
    ],
)
def test_numbers_of_the_config_are_numbers(folder, changes):
    change_config(folder, "unet", **changes)
    with pytest.raises(LGVIError, match=next(iter(changes))):
        load_checkpoint(folder)


def test_settings_are_numbers():
    with pytest.raises(LGVIError, match="threshold must be a number"):
        MaskSettings(threshold=float("nan"))
    with pytest.raises(LGVIError, match="tint must be a number"):
        overlay(torch.zeros(1, 8, 8, 3), torch.zeros(1, 8, 8), (1, 0, 0), float("nan"), 1)


def test_a_sampling_that_overflows_is_said(folder):
    pipeline = LGVIPipeline.from_checkpoint(folder)
    with torch.no_grad():
        pipeline.unet.conv_out.weight.fill_(float("nan"))
    with pytest.raises(LGVIError, match=r"NaN or infinity: .* choose bf16 or fp32"):
        pipeline(torch.rand(2, 64, 64, 3), "remove the ball", steps=1)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64])
def test_frames_of_8_bits_are_refused_where_they_come_in(kind):
    with pytest.raises(LGVIError, match=r"source are .*; images are floating-point"):
        check_frames(torch.zeros(2, 8, 8, 3, dtype=kind), "source")
