"""ComfyUI's nodes that patch a model, on ours: they have an effect, or say why they cannot."""

import importlib

import pytest
import torch

from support.parity import recipe
from support.sampling import FRAMES, HEIGHT, WIDTH, run

FITTING = {
    "FreeU": ("freelunch", {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}),
    "FreeU_V2": ("freelunch", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}),
    "SelfAttentionGuidance": ("sag", {"scale": 0.5, "blur_sigma": 2.0}),
    "PerturbedAttentionGuidance": ("pag", {"scale": 3.0}),
    "TomePatchModel": ("tomesd", {"ratio": 0.3}),
    "HyperTile": (
        "hypertile",
        {"tile_size": 32, "swap_size": 1, "max_depth": 0, "scale_depth": False},
    ),
}
DOWNSCALE = {
    "block_number": 1,
    "downscale_factor": 2.0,
    "start_percent": 0.0,
    "end_percent": 0.35,
    "downscale_after_skip": True,
    "downscale_method": "bicubic",
    "upscale_method": "bicubic",
}
EASYCACHE = {
    "reuse_threshold": 0.2,
    "start_percent": 0.15,
    "end_percent": 0.95,
    "verbose": False,
}
SKIP = {
    "double_layers": "7",
    "single_layers": "7",
    "scale": 3.0,
    "start_percent": 0.0,
    "end_percent": 1.0,
    "rescaling_scale": 0.0,
}


def patch(name, module, model, **inputs):
    """The model behind ComfyUI's node `name`, of either of ComfyUI's interfaces for nodes."""
    node = getattr(importlib.import_module(f"comfy_extras.nodes_{module}"), name)
    run_node = node.execute if hasattr(node, "execute") else getattr(node(), node.FUNCTION)
    output = run_node(model, **inputs)
    return getattr(output, "args", output)[0]


@pytest.fixture
def conditionings():
    """The three conditionings (text and video, video, neither) and an empty latent."""
    size = (FRAMES, 4, HEIGHT * 2, WIDTH * 2)
    text, empty = recipe.tensor("positive", [1, 77, 24]), recipe.tensor("negative", [1, 77, 24])
    clip = {"concat_latent_image": recipe.tensor("c_x", list(size))}
    return ([[text, dict(clip)]], [[empty, dict(clip)]], [[empty, {}]]), torch.zeros(size)


@pytest.mark.parametrize("name", FITTING)
def test_a_patch_for_stable_diffusion_has_an_effect(comfy, loaded, conditionings, name):
    module, inputs = FITTING[name]
    patched = patch(name, module, loaded[0], **inputs)
    plain, _ = run(comfy, loaded[0], conditionings, steps=2)
    changed, mask = run(comfy, patched, conditionings, steps=2)
    assert torch.isfinite(changed).all()
    assert mask.shape[0] == FRAMES
    assert (changed - plain).abs().max() > 1e-4
    again, _ = run(comfy, loaded[0], conditionings, steps=2)
    assert torch.equal(again, plain), "the patch outlived its run"


def test_freeu_without_gains_changes_nothing(comfy, loaded, conditionings):
    model = patch("FreeU", "freelunch", loaded[0], b1=1.0, b2=1.0, s1=1.0, s2=1.0)
    plain, _ = run(comfy, loaded[0], conditionings, steps=2)
    same, _ = run(comfy, model, conditionings, steps=2)
    assert torch.allclose(same, plain, atol=1e-3)


def test_blocks_have_the_numbers_of_stable_diffusion(comfy, loaded, conditionings):
    seen = []

    def note(query, key, value, options):
        seen.append((*options["block"], query.shape[1]))
        return query, key, value

    model = loaded[0].clone()
    model.set_model_attn1_patch(note)
    run(comfy, model, conditionings, steps=1)
    pixels = HEIGHT * WIDTH * 4
    assert set(seen) == {
        ("input", 1, pixels),
        ("input", 3, pixels // 4),
        ("middle", 0, pixels // 16),
        ("output", 2, pixels // 4),
        ("output", 3, pixels // 4),
        ("output", 4, pixels),
        ("output", 5, pixels),
    }


def test_easycache_skips_steps(comfy, loaded, conditionings):
    calls = []
    unet = loaded[0].model.diffusion_model
    handle = unet.conv_in.register_forward_hook(lambda *_: calls.append(1))
    run(comfy, loaded[0], conditionings, steps=8)
    every = len(calls)
    calls.clear()
    lazy = {**EASYCACHE, "reuse_threshold": 3.0}
    samples, _ = run(
        comfy, patch("EasyCacheNode", "easycache", loaded[0], **lazy), conditionings, steps=8
    )
    handle.remove()
    assert 0 < len(calls) < every
    assert torch.isfinite(samples).all()


@pytest.mark.parametrize(
    ("name", "module", "inputs", "message"),
    [
        ("PatchModelAddDownscale", "model_downscale", DOWNSCALE, "Kohya"),
        ("RescaleCFG", "model_advanced", {"multiplier": 0.7}, "never asks it about the sentence"),
        ("SkipLayerGuidanceDiT", "slg", SKIP, "Skip Layer Guidance"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(
    comfy, loaded, conditionings, name, module, inputs, message
):
    model = patch(name, module, loaded[0], **inputs)
    with pytest.raises(comfy.errors.LGVIError, match=message):
        run(comfy, model, conditionings, steps=2)


@pytest.mark.parametrize(
    ("name", "module", "inputs"),
    [
        ("EasyCacheNode", "easycache", EASYCACHE),
        ("SelfAttentionGuidance", "sag", FITTING["SelfAttentionGuidance"][1]),
    ],
)
def test_what_looks_at_all_frames_is_refused_with_windows(
    comfy, loaded, conditionings, name, module, inputs
):
    model = comfy.window_handler.with_windows(patch(name, module, loaded[0], **inputs), 3, 1)
    with pytest.raises(comfy.errors.LGVIError, match="context windows"):
        run(comfy, model, conditionings, steps=2)


def test_rescale_cfg_works_behind_a_guider_that_calls_it(comfy, loaded, conditionings):
    (text_video, _, none), latent = conditionings
    model = patch("RescaleCFG", "model_advanced", loaded[0], multiplier=0.7)
    noise = comfy.sample.prepare_noise(latent, 1)
    results = [
        comfy.sample.sample(
            given, noise, 2, 3.0, "euler", "normal", text_video, none, latent, seed=1
        )
        for given in (loaded[0], model)
    ]
    assert (results[0] - results[1]).abs().max() > 1e-3
