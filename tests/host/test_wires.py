"""Wires that would run and give a bad result are refused with the reason; windows of ComfyUI."""

import importlib
from types import SimpleNamespace

import pytest
import torch

from support.cases import filled_unet, small_config
from support.parity import recipe
from support.sampling import FRAMES, HEIGHT, WIDTH, run


@pytest.fixture
def sentence():
    """The sentence's conditioning, the empty one's, and the clip's latents."""
    text, empty = recipe.tensor("positive", [1, 77, 24]), recipe.tensor("negative", [1, 77, 24])
    return [[text, {}]], [[empty, {}]], recipe.tensor("c_x", [FRAMES, 4, HEIGHT, WIDTH])


@pytest.fixture
def branches(comfy, sentence):
    return comfy.conditioning.branches(*sentence)


def latent():
    return torch.zeros(FRAMES, 4, HEIGHT, WIDTH)


def ksampler(comfy, model, positive, negative):
    noise = comfy.sample.prepare_noise(latent(), 1)
    return comfy.sample.sample(
        model, noise, 2, 3.0, "euler", "normal", positive, negative, latent(), seed=1
    )


def stock(comfy, model, cond1, cond2, negative):
    guider = comfy.custom.Guider_DualCFG(model)
    guider.set_conds(cond1, cond2, negative)
    guider.set_cfg(3.0, 1.5)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 2)
    return comfy.custom.SamplerCustomAdvanced.execute(
        comfy.custom.Noise_RandomNoise(7),
        guider,
        comfy.samplers.sampler_object("euler"),
        sigmas,
        {"samples": latent()},
    )


def test_right_wires_run_everywhere(comfy, loaded, branches):
    text_video, video, none = branches
    run(comfy, loaded[0], (branches, latent()), steps=2)
    stock(comfy, loaded[0], *branches)
    for negative in (video, none):
        assert torch.isfinite(ksampler(comfy, loaded[0], text_video, negative)).all()


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (0, 0, 2)])
def test_swapped_wires_are_refused(comfy, loaded, branches, order):
    swapped = tuple(branches[i] for i in order)
    for sampler in (
        lambda: run(comfy, loaded[0], (swapped, latent()), steps=2),
        lambda: stock(comfy, loaded[0], *swapped),
    ):
        with pytest.raises(comfy.errors.LGVIError, match="two wires swapped"):
            sampler()


def test_swapped_wires_are_refused_by_ksampler(comfy, loaded, branches):
    with pytest.raises(comfy.errors.LGVIError, match="output video of LGVI Video Conditioning"):
        ksampler(comfy, loaded[0], branches[1], branches[0])


def test_a_plain_sentence_is_refused_by_ksampler(comfy, loaded, sentence):
    with pytest.raises(comfy.errors.LGVIError, match="without the source clip"):
        ksampler(comfy, loaded[0], sentence[0], sentence[1])


def test_marks_pass_other_nodes_and_zeroed_text_fits_everywhere(comfy, loaded, branches):
    nodes = importlib.import_module("nodes")
    text_video, video, none = branches
    (later,) = nodes.ConditioningSetTimestepRange().set_range(video, 0.0, 1.0)
    with pytest.raises(comfy.errors.LGVIError, match="two wires swapped"):
        run(comfy, loaded[0], ((later, video, none), latent()), steps=2)
    (zeroed,) = nodes.ConditioningZeroOut().zero_out(text_video)
    run(comfy, loaded[0], ((text_video, zeroed, none), latent()), steps=2)


def test_frames_are_counted_from_what_arrives(loaded):
    """Context Windows (Manual) of ComfyUI 0.33 gives a frame more than it says."""
    core, host = filled_unet(small_config()), loaded[0].model.diffusion_model
    z_t = recipe.tensor("z", [3, 4, FRAMES + 1, HEIGHT, WIDTH])
    c_x = recipe.tensor("c", [3, 4, FRAMES + 1, HEIGHT, WIDTH])
    text = recipe.tensor("t", [3, 77, 24])
    x = torch.cat([z_t, c_x], dim=1).transpose(1, 2).flatten(0, 1)
    with torch.inference_mode():
        output = host(
            x,
            torch.full((len(x),), 500.0),
            context=text.repeat_interleave(FRAMES + 1, dim=0),
            num_video_frames=FRAMES,
            transformer_options={"cond_or_uncond": [0, 1, 2]},
        )
        expected = core(z_t, 500.0, text, c_x).noise_pred
    assert (output.unflatten(0, (3, FRAMES + 1)).transpose(1, 2) - expected).abs().max() < 1e-5


def test_the_mask_leaves_out_the_added_frame(pack):
    module = importlib.import_module("lgvi_pack.nodes.host.mask_recorder")
    logits = torch.full((1, 1, 4, 2, 2), -20.0)
    logits[:, :, 0] = 20.0
    options = {
        "sigmas": torch.ones(1),
        "uuids": ["a"],
        "context_window": SimpleNamespace(index_list=[2, 3, 4]),
    }
    recorder = module.MaskRecorder(FRAMES, 1.0, {"a"})
    recorder.record(lambda features, frames: logits, [torch.zeros(4, 1, 2, 2)], 4, options)
    assert recorder.mean().max() < 0.6


def test_native_context_windows_run(comfy, loaded, branches):
    """The node's defaults, which add a frame where ComfyUI can; ours differs little from it."""
    manual = importlib.import_module("comfy_extras.nodes_context_windows").ContextWindowsManualNode
    windows = importlib.import_module("comfy.context_windows")
    if not hasattr(windows, "slice_cond"):
        pytest.skip("this ComfyUI's own context windows cannot take latents of four dimensions")
    inputs = {i.id: i.default for i in manual.define_schema().inputs if i.id != "model"}
    native = manual.execute(loaded[0], **inputs | {"context_length": 3, "context_overlap": 1})
    samples, mask = run(comfy, native.args[0], (branches, latent()), steps=4)
    ours = comfy.window_handler.with_windows(loaded[0], 3, 1)
    expected, _ = run(comfy, ours, (branches, latent()), steps=4)
    assert mask.shape[0] == FRAMES
    assert (samples - expected).abs().mean() < 0.2 * expected.abs().mean()


def test_an_error_begins_with_our_name_and_not_with_our_path(comfy):
    execution = importlib.import_module("execution")
    importlib.import_module("lgvi_pack.nodes")
    for kind in (comfy.errors.LGVIError, comfy.errors.CheckpointError):
        assert execution.full_type_name(kind) == "LGVI"
