"""What is no number, no choice or too large is refused in ComfyUI before it costs anything."""

import importlib
import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from support.sampling import FRAMES, HEIGHT, WIDTH
from support.tiny_checkpoint import write_checkpoint

NAN = float("nan")
TEXT = 24  # width of the tiny checkpoint's text features


@pytest.fixture
def given():
    """Conditionings and latent of a clip."""
    clip = {"concat_latent_image": torch.randn(FRAMES, 4, HEIGHT, WIDTH)}
    text = torch.zeros(1, 77, TEXT)
    conds = [[text, dict(clip)]], [[text, dict(clip)]], [[text, {}]]
    return conds, {"samples": torch.zeros(FRAMES, 4, HEIGHT, WIDTH)}


@pytest.fixture
def sample(comfy, loaded, given):
    """A function that samples one step with changed settings."""
    settings = importlib.import_module("lgvi_pack.lgvi_core.settings").SamplingSettings

    def run(conds=given[0], latent=given[1], **changes):
        values = {"steps": 1, "text_scale": 2.0, "video_scale": 1.0, **changes}
        return comfy.sampling.sample_with_mask(loaded[0], conds, latent, settings(**values), None)

    return run


@pytest.fixture
def node(pack):
    """A function that runs a node by the names of its module and class."""

    def run(module, name, **inputs):
        found = getattr(importlib.import_module(f"lgvi_pack.nodes.{module}"), name)
        return found.PREPARE_CLASS_CLONE(None).execute(**inputs)

    return run


def test_sampling_that_ends_in_nan_is_said(comfy, loaded, sample):
    weight = loaded[0].model.diffusion_model.conv_out.weight
    before = weight.data.clone()
    weight.data.fill_(NAN)
    try:
        with pytest.raises(comfy.errors.LGVIError, match=r"ended in NaN .* bf16 or fp32"):
            sample()
    finally:
        weight.data.copy_(before)
    assert torch.isfinite(sample()[0]["samples"]).all()


def test_nan_is_said_in_the_stock_sampler_too(comfy, loaded, given):
    """Whatever the sampler: an adaptive one would try the same step again without end."""
    weight = loaded[0].model.diffusion_model.conv_out.weight
    before = weight.data.clone()
    weight.data.fill_(NAN)
    (positive, negative, _), latent = given
    try:
        for name in ("euler", "dpm_adaptive"):
            with pytest.raises(comfy.errors.LGVIError, match="ended in NaN"):
                comfy.sample.sample(
                    loaded[0],
                    torch.randn_like(latent["samples"]),
                    *(2, 1.0, name, "normal", positive, negative, latent["samples"]),
                )
    finally:
        weight.data.copy_(before)


def test_a_sampler_without_end_is_ended(comfy, sample, monkeypatch):
    predictions = importlib.import_module("lgvi_pack.nodes.host.predictions")
    sample(sampler="dpm_adaptive", steps=6)
    monkeypatch.setattr(predictions, "MOST_PASSES", 5)
    with pytest.raises(comfy.errors.LGVIError, match="found no end in 5 of them"):
        sample(sampler="dpm_adaptive", steps=6)
    sample(sampler="euler", steps=6)


def test_a_lora_of_nan_is_said(comfy, loaded, given):
    settings = importlib.import_module("lgvi_pack.lgvi_core.settings").SamplingSettings
    patched = loaded[0].clone()
    key = "diffusion_model.conv_out.weight"
    shape = loaded[0].model.diffusion_model.conv_out.weight.shape
    patched.add_patches({key: (torch.full(shape, NAN),)})
    with pytest.raises(comfy.errors.LGVIError, match="or a LoRA, are damaged"):
        comfy.sampling.sample_with_mask(
            patched, *given, settings(steps=1, text_scale=2.0, video_scale=1.0), None
        )
    comfy.management.unload_all_models()


def test_noise_mask_and_strength_are_numbers(comfy, sample, given):
    conds, latent = given
    mask = torch.ones(FRAMES, 1, HEIGHT, WIDTH)
    mask[0] = NAN
    with pytest.raises(comfy.errors.LGVIError, match="the noise mask of latent holds NaN"):
        sample(latent={**latent, "noise_mask": mask})
    text, options = conds[0][0]
    with pytest.raises(comfy.errors.LGVIError, match="strength of text_video is nan"):
        sample(conds=([[text, {**options, "strength": NAN}]], *conds[1:]))


@pytest.mark.parametrize("name", ["sampler", "scheduler"])
def test_choices_that_do_not_exist_are_named(comfy, sample, name):
    with pytest.raises(comfy.errors.LGVIError, match=f"{name} 'unheard' is not one of .*"):
        sample(**{name: "unheard"})


def test_loaders_name_choices_that_do_not_exist(comfy, node):
    with pytest.raises(comfy.errors.LGVIError, match="dtype 'fp4' is not one of auto, fp32"):
        node("load_lgvi", "LoadLGVI", model="lgvi-mini (bundled)", dtype="fp4")
    chat = {"model": "lgvi-mini-chat (bundled)", "end_to_end_weights": "the model's own"}
    with pytest.raises(comfy.errors.LGVIError, match="precision '2-bit' is not one of auto"):
        node("load_chat", "LoadChat", **chat, precision="2-bit", device="auto")
    with pytest.raises(comfy.errors.LGVIError, match="device 'tpu' is not one of auto, cpu"):
        node("load_chat", "LoadChat", **chat, precision="auto", device="tpu")


def test_settings_of_masks_are_numbers(comfy, node):
    frames, mask = torch.rand(2, 64, 64, 3), torch.ones(2, 64, 64)
    shared = {"mask": mask, "grow": 0, "feather": 0}
    with pytest.raises(comfy.errors.LGVIError, match="threshold must be a number"):
        node("composite", "Composite", source=frames, result=frames, threshold=NAN, **shared)
    preview = {"frames": frames, "outline": 1, **shared}
    with pytest.raises(comfy.errors.LGVIError, match="tint must be a number"):
        node("mask_preview", "MaskPreview", threshold=0.5, tint=NAN, **preview)
    with pytest.raises(comfy.errors.LGVIError, match="is no rate"):
        node("mask_preview", "MaskPreview", threshold=0.5, tint=0.5, fps=NAN, **preview)


def test_frames_of_8_bits_are_refused_at_the_first_node(comfy, node, loaded):
    frames = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    cond = [[torch.zeros(1, 77, TEXT), {}]]
    given = {"positive": cond, "negative": cond, "vae": loaded[2], "working_size": 64}
    with pytest.raises(comfy.errors.LGVIError, match="frames are uint8; images are floating"):
        node("video_conditioning", "VideoConditioning", frames=frames, **given)


def text_config(folder, **changes):
    path = folder / "text_encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_text_encoder_of_any_size_costs_nothing(comfy, tmp_path):
    folder = write_checkpoint(tmp_path / "model")
    text_config(folder, hidden_size=65536)
    checkpoint = comfy.checkpoint.load_checkpoint(folder)
    started = time.process_time()
    with pytest.raises(comfy.errors.LGVIError, match=r"text encoder does not fit: .*wrong shape"):
        comfy.comfy_checkpoint.create(checkpoint, "fp32")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("factors", ["[[1], [2, 3], [], [4]]", "[[1, 2, NaN]]", "5", "{"])
def test_preview_colours_of_another_shape_are_refused(comfy, tmp_path, factors):
    folder = write_checkpoint(tmp_path / "model")
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    metadata = {"latent_rgb_factors": factors, "latent_rgb_factors_bias": "[0, 0, 0]"}
    save_file(load_file(path), path, metadata)
    checkpoint = comfy.checkpoint.load_checkpoint(folder)
    with pytest.raises(comfy.errors.LGVIError, match="VAE metadata"):
        comfy.comfy_checkpoint.create(checkpoint, "fp32")


def test_whole_videos_seen_at_no_rate_are_refused(comfy, loaded):
    cond = [[torch.zeros(1, 77, TEXT), {}]]
    sizes = {"working_size": 64, "window": 4, "overlap": 2, "segment": 6, "crf": 0}
    with pytest.raises(comfy.errors.LGVIError, match="working_fps must be a number"):
        comfy.removal.Removal(loaded[0], loaded[2], cond, cond, working_fps=NAN, **sizes)
