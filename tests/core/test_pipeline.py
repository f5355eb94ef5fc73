"""The pipeline without ComfyUI: from frames and a sentence to frames and a mask."""

import diffusers
import pytest
import torch

from lgvi_core.checkpoint.checkpoint import SUB_MODELS, read_sub_model, save_single_file
from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.settings import MaskSettings
from support.star import check_that_the_star_went
from support.tiny_checkpoint import write_checkpoint
from tools.comfyui.workflow import load_workflow
from tools.demo import CLIP, WORKFLOW, read_frames
from tools.paths import ROOT

SCHEDULERS = [
    diffusers.DDIMScheduler,
    diffusers.EulerDiscreteScheduler,
    diffusers.EulerAncestralDiscreteScheduler,
    diffusers.DPMSolverMultistepScheduler,
    diffusers.UniPCMultistepScheduler,
    diffusers.PNDMScheduler,
]


@pytest.fixture(scope="module")
def pipeline(tiny_folder):
    return LGVIPipeline.from_checkpoint(tiny_folder)


@pytest.mark.parametrize("size", [(64, 96), (50, 75)])
@pytest.mark.parametrize("working_size", [0, 64])
def test_size_and_count_are_those_of_the_source(pipeline, size, working_size):
    frames = torch.rand(3, *size, 3)
    output = pipeline(frames, "remove the star", steps=2, working_size=working_size)
    assert output.frames.shape == frames.shape
    assert output.mask.shape == frames.shape[:3]
    assert 0 <= output.frames.min() <= output.frames.max() <= 1
    assert 0 <= output.mask.min() <= output.mask.max() <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_any_scheduler(pipeline, scheduler):
    original = pipeline.scheduler
    pipeline.scheduler = scheduler.from_config(original.config)
    try:
        output = pipeline(torch.rand(2, 32, 32, 3), "remove the star", steps=4)
    finally:
        pipeline.scheduler = original
    assert torch.isfinite(output.frames).all()


def test_same_seed_same_result_and_progress_is_told(pipeline):
    frames, seen = torch.rand(2, 32, 32, 3), []
    one = pipeline(frames, "remove the star", steps=3, seed=4, callback=lambda *a: seen.append(a))
    other = pipeline(frames, "remove the star", steps=3, seed=4)
    third = pipeline(frames, "remove the star", steps=3, seed=5)
    assert torch.equal(one.frames, other.frames)
    assert not torch.equal(one.frames, third.frames)
    assert [(step, total) for step, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]


def test_single_file_runs_too(tiny_folder, pipeline, tmp_path):
    path = tmp_path / "tiny.safetensors"
    parts = {name: read_sub_model(tiny_folder, name) for name in SUB_MODELS}
    save_single_file(path, parts, dict(pipeline.scheduler.config), {})
    frames = torch.rand(2, 32, 32, 3)
    how = {"steps": 2, "text_scale": 3.0, "working_size": 0}
    how |= {"sampler": "euler", "scheduler": "normal", "guidance_end": 1.0}
    one = LGVIPipeline.from_checkpoint(path)(frames, "remove the star", **how)
    assert torch.equal(one.frames, pipeline(frames, "remove the star", **how).frames)


def test_what_is_not_given_is_the_models_own(pipeline):
    """The tiny checkpoint carries a working size, steps and a scale; the rest is the official."""
    frames, said = torch.rand(2, 40, 20, 3), []
    told = pipeline(
        frames,
        "remove the star",
        callback=lambda *a: said.append(a),
    )
    assert [step for step, _, _ in said] == [1, 2, 3]
    assert told.latents.shape[-2:] == (8, 4), "64 pixels are 8 cells"
    how = {"steps": 3, "text_scale": 2.5, "video_scale": 1.5, "working_size": 64}
    assert torch.equal(told.frames, pipeline(frames, "remove the star", **how).frames)
    assert not torch.equal(
        told.frames, pipeline(frames, "remove the star", **how | {"text_scale": 0.0}).frames
    ), "0 is a scale, not the model's own"


@pytest.mark.parametrize(
    ("scheduler", "spacing"), [("simple", "trailing"), ("ddim_uniform", "leading")]
)
def test_spacings_go_by_comfyuis_names(pipeline, scheduler, spacing):
    frames = torch.rand(2, 32, 32, 3)
    how = {"steps": 3, "text_scale": 2.0}
    named = pipeline(frames, "remove the star", scheduler=scheduler, **how)
    original = pipeline.scheduler
    pipeline.scheduler = type(original).from_config(original.config, timestep_spacing=spacing)
    try:
        assigned = pipeline(frames, "remove the star", **how)
        with pytest.raises(LGVIError, match="given a scheduler of its own"):
            pipeline(frames, "remove the star", scheduler=scheduler, **how)
    finally:
        pipeline.scheduler = original
    assert torch.equal(named.latents, assigned.latents)


def test_a_multistep_solver_comes_nearer_to_many_steps(pipeline):
    """DPM-Solver++(2M) in 12 steps is nearer to 200 steps of DDIM than 12 steps of that are."""
    frames = torch.rand(1, 32, 32, 3)
    how = {"text_scale": 1.0, "video_scale": 1.0, "scheduler": "simple"}

    def latents(sampler: str, steps: int) -> torch.Tensor:
        return pipeline(frames, "the star", sampler=sampler, steps=steps, **how).latents

    exact = latents("euler", 200)
    assert (latents("dpmpp_2m", 12) - exact).norm() < (latents("euler", 12) - exact).norm()


def test_unknown_names_are_refused_with_those_that_there_are(pipeline):
    frames = torch.rand(1, 16, 16, 3)
    with pytest.raises(LGVIError, match="no sampler 'lcm': choose euler, dpmpp_2m"):
        pipeline(frames, "the star", sampler="lcm")
    with pytest.raises(LGVIError, match="no scheduler 'karras': choose normal, simple"):
        pipeline(frames, "the star", scheduler="karras")


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({"text_scale": 3.0, "video_scale": 1.5}, 12),
        ({"text_scale": 3.0, "video_scale": 1.0}, 8),
        ({"text_scale": 3.0, "video_scale": 3.0}, 8),
        ({"text_scale": 1.0, "video_scale": 1.0}, 4),
        ({"text_scale": 3.0, "video_scale": 1.5, "guidance_end": 0.45}, 8),
        ({"text_scale": 3.0, "video_scale": 1.5, "guidance_start": 0.9}, 4),
    ],
)
def test_only_passes_that_count_are_made(pipeline, settings, passes, monkeypatch):
    made = []
    denoise = pipeline.unet.denoise
    monkeypatch.setattr(pipeline.unet, "denoise", lambda *a: made.append(a) or denoise(*a))
    pipeline(torch.rand(1, 32, 32, 3), "the star", steps=4, **settings)
    assert len(made) == passes


def test_outside_the_interval_there_is_no_guidance(pipeline):
    frames = torch.rand(1, 32, 32, 3)
    plain = pipeline(frames, "the star", steps=3, text_scale=1.0, video_scale=1.0)
    never = pipeline(frames, "the star", steps=3, text_scale=5.0, guidance_start=1.0)
    always = pipeline(frames, "the star", steps=3, text_scale=5.0, guidance_start=0.0)
    assert torch.equal(never.latents, plain.latents)
    assert not torch.allclose(always.latents, plain.latents, atol=1e-3)


def test_without_mask_decoder_there_is_no_mask(tmp_path):
    folder = write_checkpoint(tmp_path / "plain", mask_decoder_type=None)
    output = LGVIPipeline.from_checkpoint(folder)(torch.rand(1, 32, 32, 3), "", steps=1)
    assert output.mask is None


@pytest.mark.parametrize(
    ("frames", "steps", "message"),
    [
        (torch.zeros(0, 8, 8, 3), 2, "clip is empty"),
        (torch.full((1, 8, 8, 3), float("nan")), 2, "NaN"),
        (torch.zeros(1, 8, 8, 3), 0, "steps must be at least 1"),
    ],
)
def test_wrong_input_is_refused(pipeline, frames, steps, message):
    with pytest.raises(LGVIError, match=message):
        pipeline(frames, "remove the star", steps=steps)


def test_bundled_model_fits_its_promise():
    """The video model has at most 60 MiB, all bundled weights have at most 100 MB."""
    files = [p for p in (ROOT / "lgvi_core" / "weights").rglob("*") if p.is_file()]
    sizes = {p: p.stat().st_size for p in files}
    assert sum(n for p, n in sizes.items() if "lgvi-mini" in p.parts) <= 60 << 20
    assert sum(sizes.values()) <= 100_000_000
    assert all(p.suffix not in (".bin", ".pt", ".pth", ".ckpt") for p in files)


@pytest.mark.parametrize("background", [True, False])
def test_a_removal_keeps_what_the_mask_does_not_cover(pipeline, background):
    frames = torch.rand(4, 40, 56, 3)
    mask = pipeline(frames, "remove the ball", steps=2).mask
    settings = MaskSettings(threshold=float(mask.max()), grow=2, feather=2)
    found = pipeline.remove(frames, "remove the ball", settings, background, steps=2)
    assert found.frames.shape == frames.shape
    assert found.opacity.shape == found.unseen.shape == frames.shape[:3]
    kept = found.opacity == 0
    assert torch.equal(found.frames[kept], frames[kept])
    assert not found.unseen[kept].any()
    assert 0 < kept.float().mean() < 1
    assert not torch.equal(found.frames, frames)


@pytest.mark.slow
def test_bundled_model_removes_the_named_object_of_the_demo_and_keeps_the_others():
    """The settings are those of the demo's workflow, here without ComfyUI."""
    widgets = {n["type"]: n["widgets_values"] for n in load_workflow(WORKFLOW)["nodes"]}
    sentence = next(
        n["widgets_values"][0]
        for n in load_workflow(WORKFLOW)["nodes"]
        if n["type"] == "CLIPTextEncode" and n["widgets_values"][0]
    )
    assert sentence == "remove the red star"
    source = read_frames(CLIP)
    seed, _, steps, text_scale, video_scale, *_ = widgets["LGVI_Sampler"]
    output = LGVIPipeline.from_checkpoint()(
        torch.from_numpy(source).float() / 255,
        sentence,
        steps=steps,
        text_scale=text_scale,
        video_scale=video_scale,
        seed=seed,
        working_size=widgets["LGVI_VideoConditioning"][0],
    )
    check_that_the_star_went(source, output)
