"""The U-Net as a native ComfyUI MODEL, in ComfyUI's own sampling."""

import importlib
import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.settings import SamplingSettings
from support.cases import filled_unet, small_config
from support.parity import recipe
from support.sampling import FRAMES, HEIGHT, WIDTH, run
from tools.demo import CLIP, read_frames


@pytest.fixture
def conditionings():
    """The three conditionings (text and video, video, neither) and an empty latent."""
    text = recipe.tensor("positive", [1, 77, 24])
    empty = recipe.tensor("negative", [1, 77, 24])
    c_x = recipe.tensor("c_x", [FRAMES, 4, HEIGHT, WIDTH])
    clip = {"concat_latent_image": c_x}
    conds = [[text, dict(clip)]], [[empty, dict(clip)]], [[empty, {}]]
    return conds, torch.zeros(FRAMES, 4, HEIGHT, WIDTH)


def split_by_memory(comfy, monkeypatch):
    """Make ComfyUI evaluate one conditioning at a time, as where memory is short."""

    def free_memory(device=None, torch_free_too=False):
        return (0, 0) if torch_free_too else 0

    monkeypatch.setattr(comfy.management, "get_free_memory", free_memory)


def test_host_call_equals_the_core_unet(comfy, loaded):
    core = filled_unet(small_config())
    host = loaded[0].model.diffusion_model
    z_t = recipe.tensor("z", [3, 4, FRAMES, HEIGHT, WIDTH])
    c_x = recipe.tensor("c", [3, 4, FRAMES, HEIGHT, WIDTH])
    text = recipe.tensor("t", [3, 77, 24])
    t = torch.tensor([900.0, 500.0, 10.0])
    x = torch.cat([z_t, c_x], dim=1).transpose(1, 2).flatten(0, 1)
    with torch.inference_mode():
        output = host(
            x,
            t.repeat_interleave(FRAMES),
            context=text.repeat_interleave(FRAMES, dim=0),
            num_video_frames=FRAMES,
        )
        expected = core(z_t, t, text, c_x).noise_pred
    assert (output.unflatten(0, (3, FRAMES)).transpose(1, 2) - expected).abs().max() < 1e-5


def test_same_latents_as_the_stock_graph(comfy, loaded, conditionings):
    conds, latent = conditionings
    ours, _ = run(comfy, loaded[0], conditionings)
    model = loaded[0]
    guider = comfy.custom.Guider_DualCFG(model)
    guider.set_conds(*conds)
    guider.set_cfg(3.0, 1.5)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 6)
    stock = comfy.custom.SamplerCustomAdvanced.execute(
        comfy.custom.Noise_RandomNoise(7),
        guider,
        comfy.samplers.sampler_object("euler"),
        sigmas,
        {"samples": latent},
    )
    assert torch.equal(ours, stock.args[0]["samples"])


def test_noise_mask_of_the_latent_counts_as_in_the_stock_graph(comfy, loaded, conditionings):
    conds, latent = conditionings
    noise_mask = torch.zeros(1, HEIGHT * 8, WIDTH * 8)
    noise_mask[:, :, : WIDTH * 4] = 1
    masked = {"samples": latent + 1, "noise_mask": noise_mask}
    sampled, _ = comfy.sampling.sample_with_mask(
        loaded[0], conds, masked, SamplingSettings(7, 3), source_size=None
    )
    kept = sampled["samples"][..., WIDTH // 2 + 1 :]
    assert (kept - 1).abs().max() < 1e-4
    assert (sampled["samples"][..., : WIDTH // 2] - 1).abs().max() > 0.1


def test_attention_of_the_model_options_is_used(comfy, loaded, conditionings):
    calls = []

    def override(attention, *args, **kwargs):
        calls.append(1)
        return attention(*args, **kwargs)

    model = loaded[0].clone()
    model.model_options.setdefault("transformer_options", {})["optimized_attention_override"] = (
        override
    )
    samples, _ = run(comfy, model, conditionings, steps=2)
    assert calls
    calls.clear()
    plain, _ = run(comfy, loaded[0], conditionings, steps=2)
    assert not calls
    assert torch.allclose(samples, plain, atol=1e-5)


@pytest.mark.slow
def test_torch_compile_node_gives_the_same(comfy, loaded, conditionings):
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    compiled = loaded[0].clone()
    set_torch_compile_wrapper(model=compiled, backend="eager")
    samples, mask = run(comfy, compiled, conditionings, steps=3)
    plain, plain_mask = run(comfy, loaded[0], conditionings, steps=3)
    assert torch.allclose(samples, plain, rtol=1e-4, atol=1e-4)
    assert torch.allclose(mask, plain_mask, atol=1e-4)


def test_ksampler_works(comfy, loaded, conditionings):
    (text_video, _, none), latent = conditionings
    noise = comfy.sample.prepare_noise(latent, 1)
    samples = comfy.sample.sample(
        loaded[0], noise, 4, 3.0, "dpmpp_2m", "karras", text_video, none, latent, seed=1
    )
    assert samples.shape == latent.shape
    assert torch.isfinite(samples).all()


def test_caching_between_steps_changes_nothing(comfy, loaded, conditionings, monkeypatch):
    cached, mask = run(comfy, loaded[0], conditionings)
    calls = []

    def without_cache(self, unet, text, c_x):
        calls.append(1)
        return unet.prepare(text, c_x)

    monkeypatch.setattr(comfy.run_cache.PreparedConditions, "get", without_cache)
    fresh, fresh_mask = run(comfy, loaded[0], conditionings)
    assert len(calls) >= 6
    assert torch.equal(cached, fresh)
    assert torch.equal(mask, fresh_mask)


def test_condition_is_convolved_once_per_run(comfy, loaded, conditionings):
    calls = []
    layer = loaded[0].model.diffusion_model.condition_conv_in
    handle = layer.register_forward_hook(lambda *_: calls.append(1))
    run(comfy, loaded[0], conditionings, steps=6)
    handle.remove()
    assert len(calls) == 1


def test_nothing_is_prepared_twice_where_memory_splits_the_conditions(
    comfy, loaded, conditionings, monkeypatch
):
    whole, whole_mask = run(comfy, loaded[0], conditionings, steps=6)
    split_by_memory(comfy, monkeypatch)
    unet = loaded[0].model.diffusion_model
    key = next(unet.transformers()).transformer_blocks[0].attn2.to_k
    condition_calls, text_calls, batches = [], [], []
    handles = [
        unet.condition_conv_in.register_forward_hook(lambda *_: condition_calls.append(1)),
        key.register_forward_hook(lambda *_: text_calls.append(1)),
        unet.conv_in.register_forward_hook(lambda _m, i, _o: batches.append(len(i[0]) // FRAMES)),
    ]
    split, split_mask = run(comfy, loaded[0], conditionings, steps=6)
    for handle in handles:
        handle.remove()
    assert set(batches) == {1}
    assert len(condition_calls) == 2
    assert len(text_calls) == 2
    assert torch.allclose(split, whole, atol=1e-3)
    assert torch.allclose(split_mask, whole_mask, atol=1e-4)


def test_masks_of_two_prompts_unite_however_they_are_evaluated(
    comfy, loaded, conditionings, monkeypatch
):
    (text_video, video, none), latent = conditionings
    other = [[recipe.tensor("other", [1, 77, 24]), text_video[0][1]]]
    both = (text_video + other, video, none), latent
    _, whole = run(comfy, loaded[0], both)
    split_by_memory(comfy, monkeypatch)
    _, split = run(comfy, loaded[0], both)
    assert torch.allclose(whole, split, atol=1e-4)


def test_scale_of_one_skips_a_branch_and_still_samples(comfy, loaded, conditionings):
    samples, mask = run(comfy, loaded[0], conditionings, scales=(2.0, 1.0))
    assert torch.isfinite(samples).all()
    assert 0 < mask.mean() < 1


def test_mask_is_the_text_branch_averaged_over_the_late_steps(comfy, loaded, conditionings):
    seen = []
    decoder = loaded[0].model.diffusion_model.mask_decoder
    handle = decoder.register_forward_hook(lambda _m, _i, out: seen.append(out.sigmoid()[0, 0]))
    _, mask = run(comfy, loaded[0], conditionings, steps=6)
    handle.remove()
    assert len(seen) == 3
    assert mask.shape == (FRAMES, HEIGHT * 8, WIDTH * 8)
    small = torch.nn.functional.interpolate(mask[:, None], scale_factor=1 / 8, mode="area")[:, 0]
    assert (small - torch.stack(seen).mean(dim=0)).abs().mean() < 0.05


def test_condition_is_scaled_as_the_checkpoint_says(comfy, loaded, conditionings):
    conds, latent = conditionings
    model = loaded[0].model
    expected = conds[0][0][1]["concat_latent_image"] * model.latent_format.scale_factor
    out = model.extra_conds(
        noise=latent,
        device="cpu",
        cross_attn=conds[0][0][0],
        concat_latent_image=conds[0][0][1]["concat_latent_image"],
    )
    assert torch.equal(out["c_concat"].cond, expected)
    none = model.extra_conds(noise=latent, device="cpu", cross_attn=conds[0][0][0])
    assert none["c_concat"].cond.count_nonzero() == 0


@pytest.mark.parametrize(("length", "overlap"), [(5, 2), (24, 8)])
def test_windows_leave_short_clips_alone(comfy, loaded, conditionings, length, overlap):
    windowed = comfy.window_handler.with_windows(loaded[0], length, overlap)
    plain, plain_mask = run(comfy, loaded[0], conditionings)
    samples, mask = run(comfy, windowed, conditionings)
    assert torch.equal(samples, plain)
    assert torch.equal(mask, plain_mask)


def test_windows_never_show_the_model_more_than_one_window(comfy, loaded, conditionings):
    frames = []
    unet = loaded[0].model.diffusion_model
    handle = unet.conv_in.register_forward_hook(
        lambda _m, inputs, _o: frames.append(len(inputs[0]))
    )
    windowed = comfy.window_handler.with_windows(loaded[0], 3, 1)
    samples, mask = run(comfy, windowed, conditionings)
    handle.remove()
    assert max(frames) <= 3 * 3
    assert torch.isfinite(samples).all()
    assert mask.shape[0] == FRAMES


def test_with_a_stride_the_last_step_joins_neighbours(comfy, loaded, conditionings):
    windows = []
    handler = comfy.window_handler
    model = handler.with_windows(loaded[0], 3, 1, stride=2)
    original = handler.FrameWindows.get_resized_cond

    def seen(self, cond, x_in, window, device=None):
        windows.append(tuple(window.index_list))
        return original(self, cond, x_in, window, device)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handler.FrameWindows, "get_resized_cond", seen)
        samples, mask = run(comfy, model, conditionings, steps=4)
    assert torch.isfinite(samples).all()
    assert mask.shape[0] == FRAMES
    steps = [key for key, _ in itertools.groupby(windows, lambda w: w[1] - w[0])]
    assert steps == [2, 1, 2, 1]


def test_windows_work_through_ksampler(comfy, loaded, conditionings):
    (text_video, _, none), latent = conditionings
    windowed = comfy.window_handler.with_windows(loaded[0], 3, 1)
    noise = comfy.sample.prepare_noise(latent, 1)
    samples = comfy.sample.sample(
        windowed, noise, 3, 3.0, "euler", "normal", text_video, none, latent, seed=1
    )
    assert torch.isfinite(samples).all()


def test_text_and_latents_are_those_of_the_pipeline(loaded, tiny_folder):
    pipeline = LGVIPipeline.from_checkpoint(tiny_folder)
    _, clip, vae = loaded
    tokens = clip.tokenize("remove the red ball on the left")
    host = clip.encode_from_tokens(tokens)
    core = pipeline.encode_text("remove the red ball on the left")
    assert (host - core).abs().max() < 2e-3
    frames = torch.rand(3, 64, 96, 3)
    with torch.inference_mode():
        core_latents = pipeline.encode(frames)[0].transpose(0, 1)
        core_frames = pipeline.decode(core_latents.transpose(0, 1)[None])
    assert (vae.encode(frames) - core_latents).abs().max() < 1e-3
    assert (vae.decode(core_latents) - core_frames).abs().max() < 1e-3


@pytest.mark.parametrize("dtype", ["auto", "fp16", "bf16", "fp8_e4m3fn"])
def test_other_precisions_come_close(comfy, loaded, conditionings, tiny_folder, dtype):
    checkpoint = comfy.checkpoint.load_checkpoint(tiny_folder)
    model, _, _ = comfy.comfy_checkpoint.create(checkpoint, dtype)
    samples, mask = run(comfy, model, conditionings, steps=2)
    expected, _ = run(comfy, loaded[0], conditionings, steps=2)
    error = (samples - expected).abs().mean() / expected.abs().mean()
    assert error < (0.25 if dtype.startswith("fp8") else 0.05)
    assert torch.isfinite(mask).all()


def test_lora_keys_follow_the_module_paths(comfy, loaded):
    keys = comfy.lora.model_lora_keys_unet(loaded[0].model, {})
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    assert keys[f"diffusion_model.{path}"] == f"diffusion_model.{path}.weight"


def test_lora_patch_changes_the_result(comfy, loaded, conditionings):
    key = "diffusion_model.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.weight"
    weight = loaded[0].model.state_dict()[key]
    patched = loaded[0].clone()
    assert patched.add_patches({key: ("diff", (torch.randn_like(weight),))}) == [key]
    plain, _ = run(comfy, loaded[0], conditionings, steps=2)
    changed, _ = run(comfy, patched, conditionings, steps=2)
    again, _ = run(comfy, loaded[0], conditionings, steps=2)
    assert not torch.allclose(plain, changed)
    assert torch.equal(plain, again)


def mismatched_frames(conds, latent):
    return conds, torch.zeros(FRAMES + 1, 4, HEIGHT, WIDTH)


def without_clip(conds, latent):
    return (conds[2], conds[1], conds[2]), latent


def nan_clip(conds, latent):
    conds[0][0][1]["concat_latent_image"] = torch.full_like(latent, float("nan"))
    return conds, latent


def wrong_latent(conds, latent):
    return conds, latent[None]


def area(conds, latent):
    conds[0][0][1]["area"] = (4, 4, 0, 0)
    return conds, latent


def empty_conditioning(conds, latent):
    return ([], *conds[1:]), latent


def nan_latent(conds, latent):
    return conds, latent / 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (mismatched_frames, "text_video has 5 frames, the latent 6"),
        (without_clip, "text_video carries no source clip"),
        (nan_clip, "source clip of text_video hold NaN"),
        (wrong_latent, r"latent must be \[frames, 4, h, w\]"),
        (nan_latent, "latent holds NaN"),
        (area, "text_video is limited to an area"),
        (empty_conditioning, "text_video is an empty conditioning"),
    ],
)
def test_wrong_input_is_refused_before_sampling(comfy, loaded, conditionings, damage, message):
    with pytest.raises(ValueError, match=message):
        run(comfy, loaded[0], damage(*conditionings))


def test_scales_and_schedules_that_are_no_numbers_are_refused(comfy, loaded, conditionings):
    with pytest.raises(ValueError, match="must be numbers"):
        run(comfy, loaded[0], conditionings, scales=(float("nan"), 1.0))
    conds, latent = conditionings
    with pytest.raises(ValueError, match="'kl_optimal' cannot make 1 steps"):
        settings = SamplingSettings(1, 1, scheduler="kl_optimal")
        comfy.sampling.sample_with_mask(loaded[0], conds, {"samples": latent}, settings, None)


def test_a_sampler_that_skips_the_late_steps_is_named(comfy, loaded, conditionings):
    conds, latent = conditionings
    conds[0][0][1]["end_percent"] = 0.1
    _, mask = run(comfy, loaded[0], (conds, latent))
    assert mask is None
    reason = comfy.sampling.why_no_mask(loaded[0], SamplingSettings(steps=6))
    assert reason == "Sampler 'euler' did not evaluate the late steps of 6: take more steps."


def drop(name):
    def damage(state, config):
        del state[name]

    return damage


def reshape(name):
    def damage(state, config):
        state[name] = state[name][:1]

    return damage


def configure(**changes):
    def damage(state, config):
        config.update(changes)

    return damage


@pytest.mark.parametrize(
    ("part", "damage", "message"),
    [
        ("vae", drop("decoder.layers.0.weight"), "VAE"),
        ("vae", drop("decoder.layers.2.conv.0.bias"), "VAE"),
        ("vae", reshape("encoder.layers.0.weight"), "VAE does not fit"),
        ("text_encoder", drop("text_model.final_layer_norm.weight"), "text encoder does not fit"),
        ("text_encoder", reshape("text_model.final_layer_norm.weight"), "text encoder does not"),
        ("text_encoder", configure(hidden_size="many"), "TextEncoderConfig"),
        ("text_encoder", configure(hidden_act="exec"), "TextEncoderConfig"),
    ],
)
def test_damaged_vae_and_text_encoder_are_named(comfy, tiny_folder, part, damage, message):
    checkpoint = comfy.checkpoint.load_checkpoint(tiny_folder)
    damaged = getattr(checkpoint, part)
    damage(damaged.state, damaged.config)
    with pytest.raises(ValueError, match=message) as error:
        comfy.comfy_checkpoint.create(checkpoint, "fp32")
    assert str(tiny_folder) in str(error.value)


def test_text_of_another_model_is_refused(comfy, loaded, conditionings):
    conds, latent = conditionings
    conds[0][0][0] = torch.zeros(1, 77, 768)
    with pytest.raises(ValueError, match="text features of width 24, got 768"):
        run(comfy, loaded[0], (conds, latent))


def test_another_model_is_refused(comfy, conditionings):
    class Other:
        model = torch.nn.Identity()

    with pytest.raises(ValueError, match="this MODEL is a Identity, not LGVI"):
        run(comfy, Other(), conditionings)


def test_live_preview_shows_the_frame(comfy):
    preview = importlib.import_module("latent_preview")
    bundled = comfy.checkpoint.load_checkpoint(comfy.checkpoint.BUNDLED_MODEL)
    model, _, vae = comfy.comfy_checkpoint.create(bundled, "auto")
    frame = torch.from_numpy(read_frames(CLIP)[:1]).float() / 255
    latents = model.model.process_latent_in(vae.encode(frame))
    latent_format = model.model.latent_format
    previewer = preview.Latent2RGBPreviewer(
        latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias
    )
    shown = torch.from_numpy(np.array(previewer.decode_latent_to_preview(latents))).float() / 255
    expected = torch.nn.functional.avg_pool2d(frame.movedim(-1, 1), 8)[0].movedim(0, -1)
    assert shown.shape == expected.shape
    assert (shown - expected).abs().mean() < 0.1


def test_weights_stay_as_read(loaded, tiny_folder):
    file = load_file(tiny_folder / "unet" / "diffusion_pytorch_model.safetensors")
    state = loaded[0].model.diffusion_model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in file.items())
