"""Workflow files with another video than their own: one in portrait format."""

import io

import numpy as np
import pytest
from PIL import Image

from support.graphs import CLIP, node
from tools.comfyui.workflow import load_workflow, to_prompt
from tools.demo import describe, differences, read_frames
from tools.paths import ROOT
from tools.whole_video import write_video
from tools.workflows.titles import TITLES

WORKFLOWS = ROOT / "workflows"


@pytest.fixture(scope="module")
def portrait(server):
    """The sample video on its side, cut to 180 pixels of width, which is no multiple of 8."""
    path = server.base / "input" / "portrait.mp4"
    write_video(path, np.rot90(read_frames(CLIP), axes=(1, 2))[:8, :, 4:184])
    return path


def run(server, name, clip, **more):
    """Outputs of a workflow that was run with the video `clip`, and node ids by title."""
    workflow = load_workflow(WORKFLOWS / f"{TITLES[name]}.json")
    titles = {n["title"]: str(n["id"]) for n in workflow["nodes"] if "title" in n}
    prompt = to_prompt(workflow, server.get("/object_info"))
    for part in prompt.values():
        if part["class_type"] == "LoadVideo":
            part["inputs"]["file"] = clip.name
    for key, title in more.items():
        prompt[f"{key} image"] = node("MaskToImage", mask=[titles[title], 0])
        prompt[key] = node("PreviewImage", images=[f"{key} image", 0])
    return server.run(prompt), titles


def result(server, outputs, titles, tmp_path):
    video = tmp_path / "result.mp4"
    video.write_bytes(server.file(outputs[titles["Result"]]["images"][0]))
    return video


def test_stock_nodes_keep_the_shape_of_a_portrait_clip(server, portrait, tmp_path):
    video = result(server, *run(server, "stock_nodes_only", portrait), tmp_path)
    assert differences(describe(portrait), describe(video)) == []
    source, after = (read_frames(path).astype(float) for path in (portrait, video))
    difference = np.abs(after - source).mean()
    # A stretched or shifted picture would differ more than the removal of the star does.
    for axis in (1, 2):
        assert difference < np.abs(np.roll(after, 3, axis) - source).mean()
        assert difference < np.abs(np.roll(after, -3, axis) - source).mean()
    assert difference < 10


def test_a_mask_from_elsewhere_holds_in_the_whole_of_a_portrait_clip(server, portrait, tmp_path):
    masks = {"elsewhere": "Mask from elsewhere", "joined": "Predicted and from elsewhere"}
    outputs, titles = run(server, "external_mask", portrait, **masks)
    video = result(server, outputs, titles, tmp_path)
    assert differences(describe(portrait), describe(video)) == []
    elsewhere, joined = (
        np.stack([np.array(Image.open(io.BytesIO(server.file(i)))) for i in outputs[key]["images"]])
        for key in masks
    )
    assert elsewhere.shape == joined.shape
    assert (joined > 0).any()
    assert (joined[elsewhere == 0] == 0).all()
