"""What the nodes say about the settings that were used, and about an empty mask."""

import importlib

import pytest
import torch

from lgvi_core.checkpoint.own_settings import OwnSettings

MINI = OwnSettings(working_size=160, steps=10, text_scale=2.0, video_scale=1.0)


@pytest.fixture(scope="module")
def said(pack):
    return importlib.import_module("lgvi_pack.nodes.host.own_settings")


@pytest.fixture(scope="module")
def report(pack):
    return importlib.import_module("lgvi_pack.nodes.host.mask_report").MaskReport


def test_model_and_vae_carry_the_checkpoints_settings(comfy, loaded, said):
    model, _, vae = loaded
    own = comfy.sampling.own_settings(model.clone())
    assert (own.working_size, own.steps, own.text_scale, own.video_scale) == (64, 3, 2.5, 1.5)
    assert said.own_settings_of(vae) == own
    assert said.own_settings_of(object()) is None


def test_the_node_says_what_was_used(comfy, said):
    used = comfy.sampling.SamplingSettings(7).complete(MINI)
    assert said.describe_sampling(used, MINI).splitlines() == [
        "10 steps, scales 2 and 1,",
        "euler, normal: the model's own",
    ]


def test_what_is_far_from_the_models_own_is_warned_of(comfy, said):
    used = comfy.sampling.SamplingSettings(7, steps=50, text_scale=3.0).complete(MINI)
    text = said.describe_sampling(used, MINI)
    assert "steps 50 is far from\nthe model's own 10" in text
    assert "text_scale" not in text
    assert "the model's own" not in text.splitlines()[1]
    assert "working_size 512 is far from\nthe model's own 160" in said.describe_size(
        (288, 512), MINI
    )
    assert said.describe_size((96, 160), MINI) == ""


def test_an_empty_mask_is_told_with_what_to_try(report):
    empty = report()
    empty.add(torch.full((4, 20, 20), 0.3))
    text = empty.advice()
    assert text.startswith("Nothing was found: the mask is empty.")
    assert "greatest value is 0.30, threshold 0.5" in text
    assert "a threshold of 0.15" in text
    assert "text_scale" in text


def test_a_nearly_empty_mask_is_told(report):
    nearly = report()
    for _ in range(4):
        nearly.add(torch.zeros(1, 100, 100))
    dot = torch.zeros(1, 100, 100)
    dot[0, 5, 5] = 1
    nearly.add(dot)
    assert nearly.advice().startswith(
        "Almost nothing was found: the mask\ncovers 0.00% of the clip."
    )


def test_a_mask_that_covers_something_is_not_worth_a_word(report):
    enough = report()
    mask = torch.zeros(1, 100, 100)
    mask[0, :10, :10] = 1
    enough.add(mask)
    assert enough.advice() == ""
