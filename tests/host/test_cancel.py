"""Cancelling is heard at the next frame, in every node that goes through a clip."""

import importlib

import pytest
import torch

FRAMES = 12
TEXT = 24  # width of the tiny checkpoint's text features


@pytest.fixture
def node(pack):
    """A function that runs a node by the names of its module and class."""

    def run(module, name, **inputs):
        found = getattr(importlib.import_module(f"lgvi_pack.nodes.{module}"), name)
        return found.PREPARE_CLASS_CLONE(None).execute(**inputs)

    return run


@pytest.fixture
def inputs(loaded):
    """The inputs of every node: a clip with a square in its mask."""
    frames, mask = torch.rand(FRAMES, 64, 64, 3), torch.zeros(FRAMES, 64, 64)
    mask[:, 20:40, 20:40] = 1
    cond = [[torch.zeros(1, 77, TEXT), {}]]
    shared = {"mask": mask, "threshold": 0.5, "grow": 1, "feather": 2}
    return {
        ("composite", "Composite"): {"source": frames, "result": frames.flip(0), **shared},
        ("mask_preview", "MaskPreview"): {"frames": frames, "tint": 0.5, "outline": 1, **shared},
        ("create_video", "CreateVideo"): {"images": frames, "fps": 24.0, "crf": 16},
        ("video_conditioning", "VideoConditioning"): {
            "positive": cond,
            "negative": cond,
            "vae": loaded[2],
            "frames": frames,
            "working_size": 64,
        },
    }


@pytest.mark.parametrize(
    ("place", "times"),
    [
        (("composite", "Composite"), 2),
        (("mask_preview", "MaskPreview"), 3),
        (("create_video", "CreateVideo"), 1),
        (("video_conditioning", "VideoConditioning"), 1),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("at", [1, 5])
def test_cancelling_is_heard_at_the_next_frame(
    comfy, node, inputs, monkeypatch, tmp_path, place, times, at
):
    """Each of the node's passes over the clip, `times` of them, looks at every frame."""
    paths = importlib.import_module("folder_paths")
    monkeypatch.setattr(paths, "get_temp_directory", lambda: str(tmp_path))
    stop = comfy.management.InterruptProcessingException
    for number in range(times):
        left = [number * FRAMES + at]

        def watch(left=left):
            left[0] -= 1
            if not left[0]:
                raise stop

        with monkeypatch.context() as patch, pytest.raises(stop):
            patch.setattr(comfy.management, "throw_exception_if_processing_interrupted", watch)
            node(*place, **inputs[place])
    assert not list(tmp_path.rglob("*.mp4"))
    node(*place, **inputs[place])


def test_a_vae_that_overflows_is_said(comfy, node, inputs, monkeypatch):
    given = inputs[("video_conditioning", "VideoConditioning")]
    encode = given["vae"].encode
    monkeypatch.setattr(given["vae"], "encode", lambda pixels: encode(pixels) * float("inf"))
    with pytest.raises(comfy.errors.LGVIError, match=r"the VAE gave NaN .* --fp32-vae"):
        node("video_conditioning", "VideoConditioning", **given)
