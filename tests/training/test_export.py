"""Exports: the nodes can open them, and a trained LoRA changes the output of ComfyUI."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lgvi_core.checkpoint.checkpoint import load_checkpoint
from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.settings import SamplingSettings
from support.parity import recipe
from support.train_run import tiny_values, write_config
from train.engine import checkpoints
from train.export import check, export
from train.lgvi.config import TrainConfig
from train.train_lgvi import train

pytestmark = pytest.mark.training
LAYER = "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished training run from random weights."""
    output = tmp_path_factory.mktemp("runs") / "run"
    train(TrainConfig.model_validate(tiny_values(output, max_steps=2)))
    AcceleratorState._reset_state(reset_partial_state=True)
    return output


@pytest.fixture(scope="module")
def lora_run(tiny_folder, tmp_path_factory) -> Path:
    """A finished training run of a LoRA on the random checkpoint `tiny`."""
    output = tmp_path_factory.mktemp("runs") / "lora"
    values = tiny_values(
        output,
        max_steps=3,
        start_from=str(tiny_folder),
        lora={"rank": 4, "alpha": 8, "targets": ["to_q", "to_k", "to_v", "to_out.0", "proj"]},
        optimizer={"unet": {"peak": 0.05}, "text_encoder": None, "warmup_steps": 0},
        **dict.fromkeys(("unet", "text_encoder", "scheduler", "vae", "tokenizer"), ...),
    )
    train(TrainConfig.model_validate(values))
    AcceleratorState._reset_state(reset_partial_state=True)
    return output


@pytest.mark.parametrize("name", ["folder", "file.safetensors"])
def test_an_export_opens_and_holds_the_averaged_weights(run, tmp_path, name):
    output = tmp_path / name
    export(run, output, "Apache-2.0", torch.float32)
    assert "opens and runs" in check(output)
    checkpoint = load_checkpoint(output)
    averaged = load_file(checkpoints.newest(run / "checkpoints") / checkpoints.WEIGHTS)
    for key, value in checkpoint.unet.items():
        assert torch.equal(value, averaged[f"unet.{key}"])
    assert checkpoint.noise_schedule.prediction_type == "v_prediction"
    assert checkpoint.has_mask_decoder


def test_folder_and_file_are_the_same_model(run, tmp_path):
    frames = torch.rand(2, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for name in ("folder", "file.safetensors"):
        export(run, tmp_path / name, "Apache-2.0", torch.float16)
        pipeline = LGVIPipeline.from_checkpoint(tmp_path / name)
        results.append(pipeline(frames, "remove the ball", steps=2, working_size=0).frames)
    assert torch.equal(*results)


@pytest.mark.parametrize("name", ["folder", "file.safetensors"])
def test_load_lgvi_opens_the_export(pack, run, tmp_path, name):
    """The export gives MODEL, CLIP and VAE, and encodes text and frames."""
    comfy_checkpoint = importlib.import_module("lgvi_pack.nodes.host.checkpoint")
    core = importlib.import_module("lgvi_pack.lgvi_core.checkpoint.checkpoint")
    export(run, tmp_path / name, "MIT", torch.float16)
    checkpoint = core.load_checkpoint(tmp_path / name)
    model, clip, vae = comfy_checkpoint.create(checkpoint, "fp32")
    text = clip.encode_from_tokens(clip.tokenize("remove the ball"))
    assert text.shape == (1, 77, 16)
    assert vae.encode(torch.rand(2, 32, 48, 3)).shape == (2, 4, 4, 6)
    assert model.model.diffusion_model is not None


def test_the_metadata_says_how_it_was_trained_and_nothing_of_the_machine(run, tmp_path):
    export(run, tmp_path / "file.safetensors", "Apache-2.0")
    with safe_open(tmp_path / "file.safetensors", "pt") as file:
        metadata = file.metadata()
    facts = json.loads(metadata["training"])
    assert (metadata["license"], metadata["steps"]) == ("Apache-2.0", "2")
    assert facts["optimizer"]["unet"] == {"peak": 1e-3, "schedule": "linear"}
    assert str(tmp_path.parent) not in json.dumps(metadata)


def test_a_run_without_checkpoint_is_refused(run, tmp_path):
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    with pytest.raises(LGVIError, match="no intact checkpoint"):
        export(tmp_path, tmp_path / "out", "MIT")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(LGVIError, match="is not the output folder of a training"):
        export(tmp_path, tmp_path / "out", "MIT")


def test_check_refuses_weights_that_do_not_work(run, tmp_path):
    output = tmp_path / "folder"
    export(run, output, "MIT", torch.float32)
    path = output / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    save_file({**state, "conv_in.weight": state["conv_in.weight"] * float("nan")}, path)
    with pytest.raises(LGVIError, match="NaN"):
        check(output)


def test_only_the_additions_of_a_lora_are_exported(lora_run, tmp_path):
    path = tmp_path / "lora.safetensors"
    export(lora_run, path, "MIT", torch.float32)
    state = load_file(path)
    assert state[f"diffusion_model.{LAYER}.lora_A.weight"].shape == (4, 24)
    assert state[f"diffusion_model.{LAYER}.alpha"] == 8
    assert all(key.startswith("diffusion_model.") for key in state)
    assert max(float(v.abs().max()) for k, v in state.items() if "lora_B" in k) > 1e-3
    assert "a LoRA of" in check(path)
    with pytest.raises(LGVIError, match=r"ending in \.safetensors"):
        export(lora_run, tmp_path / "folder", "MIT")


def test_comfyui_loads_the_lora_and_the_output_changes(pack, tiny_folder, lora_run, tmp_path):
    """ComfyUI takes all layers of the file, and MODEL with the LoRA equals the trained model."""
    comfy_checkpoint = importlib.import_module("lgvi_pack.nodes.host.checkpoint")
    core = importlib.import_module("lgvi_pack.lgvi_core.checkpoint.checkpoint")
    comfy_lora = importlib.import_module("comfy.lora")
    sd = importlib.import_module("comfy.sd")
    management = importlib.import_module("comfy.model_management")
    path = tmp_path / "lora.safetensors"
    export(lora_run, path, "MIT", torch.float32)
    state = load_file(path)

    model, clip, _ = comfy_checkpoint.create(core.load_checkpoint(tiny_folder), "fp32")
    keys = comfy_lora.model_lora_keys_unet(model.model, {})
    taken = comfy_lora.load_lora(dict(state), keys)
    assert len(taken) == len(state) // 3
    patched, _ = sd.load_lora_for_models(model, clip, dict(state), 1.0, 1.0)

    sampling = importlib.import_module("lgvi_pack.nodes.host.sampling")
    text, c_x = recipe.tensor("text", [1, 77, 24]), recipe.tensor("c_x", [2, 4, 8, 8])
    conds = [[[text, {"concat_latent_image": c_x}]]] * 2 + [[[text, {}]]]
    latent = {"samples": torch.zeros_like(c_x)}
    weights, outputs = {}, {}
    for name, patcher in (("plain", model), ("patched", patched)):
        outputs[name], _ = sampling.sample_with_mask(
            patcher, conds, latent, SamplingSettings(7, 2), source_size=None
        )
        management.load_models_gpu([patcher], force_full_load=True)
        weight = patcher.model.diffusion_model.get_parameter(f"{LAYER}.weight")
        weights[name] = weight.detach().clone()
        patcher.detach()
    low, high = (state[f"diffusion_model.{LAYER}.lora_{side}.weight"] for side in "AB")
    expected = weights["plain"] + 8 / 4 * high @ low
    assert not torch.allclose(outputs["plain"]["samples"], outputs["patched"]["samples"])
    assert torch.allclose(weights["patched"], expected, atol=1e-6)


def test_unknown_lora_targets_are_refused(tiny_folder, tmp_path):
    values = tiny_values(
        tmp_path,
        start_from=str(tiny_folder),
        lora={"targets": ["to_nowhere"]},
        optimizer={"unet": {"peak": 1e-3}, "text_encoder": None},
        **dict.fromkeys(("unet", "text_encoder", "scheduler", "vae", "tokenizer"), ...),
    )
    with pytest.raises(LGVIError, match="to_nowhere"):
        train(TrainConfig.model_validate(values))


def test_the_command_line_says_what_is_wrong(tmp_path, capsys, monkeypatch):
    from train import train_lgvi

    path = write_config(tmp_path / "wrong.yaml", tmp_path, seeds=1)
    monkeypatch.setattr("sys.argv", ["train_lgvi", "--config", str(path)])
    with pytest.raises(SystemExit, match="seeds: Extra inputs are not permitted"):
        train_lgvi.main()
