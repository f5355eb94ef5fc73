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
