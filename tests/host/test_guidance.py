"""Passes of the U-Net that would change nothing are not made, in our sampler and the stock one."""

import pytest
import torch

from support.parity import recipe
from support.sampling import FRAMES, HEIGHT, WIDTH

SETTINGS = {"seed": 7, "steps": 4, "sampler": "euler", "scheduler": "normal"}
WHOLE = {"guidance_start": 0.0, "guidance_end": 1.0}


@pytest.fixture
def made(loaded, monkeypatch):
    """Numbers of the branches that the U-Net evaluated, one list for each call."""
    calls = []
    unet = loaded[0].model.diffusion_model
    predict = unet._predict

    def watched(x, timesteps, context, frames, options):
        calls.append(len(x) // frames)
        return predict(x, timesteps, context, frames, options)

    monkeypatch.setattr(unet, "_predict", watched)
    return calls


@pytest.fixture
def conditionings():
    """The three conditionings: text and video, video, neither."""
    text = recipe.tensor("positive", [1, 77, 24])
    empty = recipe.tensor("negative", [1, 77, 24])
    clip = {"concat_latent_image": recipe.tensor("c_x", [FRAMES, 4, HEIGHT, WIDTH])}
    return [[text, dict(clip)]], [[empty, dict(clip)]], [[empty, {}]]


def ours(comfy, model, conditionings, **settings):
    latent = {"samples": torch.zeros(FRAMES, 4, HEIGHT, WIDTH)}
    used = comfy.sampling.SamplingSettings(**SETTINGS, **settings)
    return comfy.sampling.sample_with_mask(model, conditionings, latent, used, None)


def stock(comfy, model, conditionings, scales, nested=False):
    guider = comfy.custom.Guider_DualCFG(model)
    guider.set_conds(*conditionings)
    guider.set_cfg(*scales, nested)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 4)
    latent = {"samples": torch.zeros(FRAMES, 4, HEIGHT, WIDTH)}
    sampled = comfy.custom.SamplerCustomAdvanced.execute(
        comfy.custom.Noise_RandomNoise(7),
        guider,
        comfy.samplers.sampler_object("euler"),
        sigmas,
        latent,
    )
    return sampled.args[0]["samples"]


@pytest.mark.parametrize(
    ("scales", "nested", "branches"),
    [
        ((3.0, 1.5), False, 3),
        ((3.0, 1.0), False, 2),
        ((3.0, 3.0), False, 2),
        ((1.0, 1.0), False, 1),
        ((3.0, 1.5), True, 3),
        ((1.0, 1.5), True, 2),
        ((3.0, 1.0), True, 2),
        ((1.0, 1.0), True, 1),
    ],
)
def test_branches_of_weight_zero_are_not_evaluated_in_the_stock_graph(
    comfy, loaded, conditionings, made, monkeypatch, scales, nested, branches
):
    found = stock(comfy, loaded[0], conditionings, scales, nested)
    assert sum(made) == 4 * branches
    # The same with every branch evaluated: ComfyUI is told not to leave out any.
    monkeypatch.setattr(comfy.run_cache, "idle_branches", lambda guider: frozenset())
    every = loaded[0].clone()
    every.model_options["disable_cfg1_optimization"] = True
    made.clear()
    whole = stock(comfy, every, conditionings, scales, nested)
    assert sum(made) == 12
    assert (found - whole).abs().max() < 1e-4 * whole.abs().max()


def test_a_node_that_looks_at_every_branch_gets_them(comfy, loaded, conditionings, made):
    watching = loaded[0].clone()
    watching.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    stock(comfy, watching, conditionings, (3.0, 3.0))
    assert sum(made) == 12


@pytest.mark.parametrize(
    ("interval", "passes"),
    [((0.0, 1.0), 12), ((0.0, 0.5), 8), ((0.2, 0.5), 6), ((0.5, 1.0), 8), ((0.9, 0.95), 4)],
)
def test_outside_its_interval_guidance_costs_nothing(
    comfy, loaded, conditionings, made, interval, passes
):
    """Four steps of ComfyUI's normal scheduler lie at 0, 1/3, 2/3 and 1 of the denoising."""
    start, end = interval
    ours(comfy, loaded[0], conditionings, text_scale=3.0, video_scale=1.5, guidance_start=start,
         guidance_end=end)  # fmt: skip
    assert sum(made) == passes


def test_without_guidance_it_is_one_unguided_pass_a_step(comfy, loaded, conditionings):
    never, mask = ours(comfy, loaded[0], conditionings, text_scale=5.0, video_scale=1.5,
                       guidance_start=0.9, guidance_end=0.95)  # fmt: skip
    plain, other = ours(comfy, loaded[0], conditionings, text_scale=1.0, video_scale=1.0, **WHOLE)
    assert torch.equal(never["samples"], plain["samples"])
    assert torch.equal(mask, other)
    always, _ = ours(comfy, loaded[0], conditionings, text_scale=5.0, video_scale=1.5, **WHOLE)
    assert not torch.allclose(always["samples"], plain["samples"], atol=1e-3)
