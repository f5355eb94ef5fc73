"""LGVI Background From Frames, and the background in LGVI Remove From Video."""

import importlib

import numpy as np
import pytest
import torch

from lgvi_core.canvas import fit_canvas, to_canvas
from lgvi_core.masks import soft_mask
from lgvi_core.settings import MaskSettings
from support.videos import make_video
from tools.background_clips import Drawn, drawn
from tools.background_measures import psnr
from tools.demo import read_frames
from tools.whole_video import write_video

pytestmark = pytest.mark.slow
SETTINGS = {"threshold": 0.5, "grow": 0, "feather": 0, "reach": 12}


@pytest.fixture(scope="module")
def node(comfy):
    return importlib.import_module(
        "lgvi_pack.nodes.background_from_frames"
    ).BackgroundFromFrames.PREPARE_CLASS_CLONE({"unique_id": None})


@pytest.fixture
def said(comfy, monkeypatch) -> list[str]:
    """What the node shows."""
    texts: list[str] = []
    progress = importlib.import_module("lgvi_pack.nodes.host.progress")
    monkeypatch.setattr(progress, "show_text", lambda node_id, text: texts.append(text))
    return texts


@pytest.fixture(scope="module")
def pan() -> Drawn:
    """A photograph under a camera that pans, with a moving object before it."""
    return drawn("pan", 12)


def inputs(clip: Drawn) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(clip.frames).float() / 255, torch.from_numpy(clip.mask).float()


def test_what_other_frames_show_comes_back_and_the_rest_stays(node, pan, said):
    source, mask = inputs(pan)
    frames, unseen, _ = node.execute(source=source, mask=mask, **SETTINGS).args
    assert psnr((frames * 255).round().to(torch.uint8).numpy(), pan.truth, pan.seen) > 32
    assert torch.equal(frames[mask == 0], source[mask == 0])
    assert unseen.shape == mask.shape
    assert "comes from other frames" in said[-1]


def test_a_painting_of_the_models_size_fills_what_no_frame_shows(node, pan, said):
    """One frame shows nothing of what is behind, so all of it comes from the painting."""
    source, mask = inputs(pan)
    truth = torch.from_numpy(pan.truth).float() / 255
    painting = to_canvas(truth[:1], fit_canvas((216, 384), 192))
    assert painting.shape == (1, 112, 192, 3)
    inside = mask[:1] > 0
    errors = []
    for options in ({}, {"painting": painting}):
        options = {**SETTINGS, **options, "source": source[:1], "mask": mask[:1]}
        frames, unseen, _ = node.execute(**options).args
        assert unseen[inside].min() == 1
        errors.append((frames - truth[:1])[inside].abs().mean())
    assert errors[1] < 0.5 * errors[0]
    assert "100% was painted." in said[-1]


def test_without_a_painting_the_node_says_how_much_was_filled(node, pan, said):
    source, mask = inputs(pan)
    node.execute(source=source[:1], mask=mask[:1], **SETTINGS)
    assert "filled from around it" in said[-1]
    assert "connect the\ndecoded frames of LGVI Sampler" in said[-1]
    assert max(map(len, said[-1].split("\n"))) < 40


def test_an_empty_mask_gives_back_the_source(node, pan, said):
    source, mask = inputs(pan)
    frames, unseen, _ = node.execute(source=source, mask=torch.zeros_like(mask), **SETTINGS).args
    assert torch.equal(frames, source)
    assert not unseen.any()
    assert said[-1] == "The mask is empty: nothing was changed."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, m: {"mask": m[:5]}, "mask has 5 frames, the clip has 12"),
        (lambda s, m: {"mask": m[:, :100]}, "mask is 384 x 100 pixels"),
        (lambda s, m: {"mask": m / 0}, "NaN"),
        (lambda s, m: {"source": s / 0}, "NaN"),
        (lambda s, m: {"painting": s[:3]}, "painting 3: connect the same clip"),
        (lambda s, m: {"painting": s[:, :100, :100]}, "does not come from frames"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(node, pan, change, reason):
    source, mask = inputs(pan)
    with pytest.raises(ValueError, match=reason):
        node.execute(**{"source": source, "mask": mask, **SETTINGS, **change(source, mask)})


def test_cancel_ends_the_fill(node, pan, comfy, monkeypatch):
    source, mask = inputs(pan)
    management = comfy.management

    def cancel():
        raise management.InterruptProcessingException

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", cancel)
    with pytest.raises(management.InterruptProcessingException):
        node.execute(source=source, mask=mask, **SETTINGS)


@pytest.fixture
def removal(comfy, loaded, pan, monkeypatch):
    """A removal whose sampler paints grey and knows the object's place."""
    model, _, vae = loaded
    done = 0

    def sample(model, conditionings, latent, settings, source_size):
        nonlocal done
        samples = latent["samples"]
        kept = int((latent["noise_mask"][:, 0, 0, 0] == 0).sum()) if "noise_mask" in latent else 0
        done -= kept
        mask = torch.from_numpy(pan.mask[done : done + len(samples)]).float()
        done += len(samples)
        return {"samples": torch.zeros_like(samples)}, mask

    monkeypatch.setattr(comfy.removal, "sample_with_mask", sample)
    cond = [[torch.zeros(1, 77, 24), {}]]
    return comfy.removal.Removal.from_inputs(
        model,
        vae,
        cond,
        cond,
        working_size=0,
        working_fps=0.0,
        window=6,
        overlap=2,
        segment=8,
        threshold=0.5,
        grow=0,
        feather=0,
        crf=0,
        background=True,
        reach=12,
    )


def test_a_whole_video_gets_the_background_that_its_other_frames_show(
    comfy, removal, pan, tmp_path
):
    source, result, masks = (tmp_path / f"{name}.mp4" for name in ("source", "result", "masks"))
    write_video(source, pan.frames)
    with torch.inference_mode():
        report = comfy.removal.remove(str(source), removal, result, masks, lambda _: None)
    assert "of it from other frames" in report
    frames = read_frames(result)
    assert len(frames) == len(pan.frames)
    assert psnr(frames, pan.truth, pan.seen) > 30
    kept = soft_mask(torch.from_numpy(pan.mask).float(), MaskSettings(0.5, 2, 0)).numpy() == 0
    assert np.abs(frames[kept].astype(int) - read_frames(source)[kept]).max() <= 2


def test_ten_bits_stay_ten_bits(comfy, removal, pan, tmp_path):
    source, result, masks = (tmp_path / f"{name}.mp4" for name in ("source", "result", "masks"))
    options = {"codec": "libx265", "pixels": "yuv420p10le", "frames": 12, "size": (216, 384)}
    make_video(source, **options)
    with torch.inference_mode():
        comfy.removal.remove(str(source), removal, result, masks, lambda _: None)
    reader = importlib.import_module("lgvi_pack.lgvi_core.video.files").VideoReader
    with reader(str(result)) as video:
        assert video.info.pixels == "yuv420p10le"
        assert video.info.frames == 12
