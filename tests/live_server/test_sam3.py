"""The workflow with ComfyUI's SAM 3 nodes, which only newer versions than our oldest have."""

import json
import subprocess
import sys

import pytest

from support import random_sam3
from support.graphs import CLIP, WORKFLOWS, node, pictures
from tools.comfyui.workflow import NOTES, load_workflow, to_prompt
from tools.demo import describe as describe_video
from tools.demo import differences
from tools.sam3_nodes import NAMES, SINCE, SNAPSHOT, describe, with_sam3, without_sam3
from tools.workflows.by_mask import SAM3
from tools.workflows.titles import TITLES

NAME = TITLES["real_footage_words"]
(WORKFLOW,) = (load_workflow(path) for path in WORKFLOWS if path.stem == NAME)
FRAMES = 2


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


@pytest.fixture(scope="module")
def info(server):
    return server.get("/object_info")


@pytest.fixture(scope="module")
def has_sam3(server) -> bool:
    running = server.get("/system_stats")["system"]["comfyui_version"]
    return version(running) >= version(SINCE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_nodes_but_those_of_sam3_are_missing_in_an_older_comfyui(info, has_sam3, path):
    used = {part["type"] for part in load_workflow(path)["nodes"]} - NOTES
    missing = set(NAMES) if path.stem == NAME and not has_sam3 else set()
    assert used - set(info) == missing
    assert used & set(NAMES) == (set(NAMES) if path.stem == NAME else set())


def test_the_kept_descriptions_are_those_of_the_server(info, has_sam3):
    if not has_sam3:
        pytest.skip(f"SAM 3 came with ComfyUI {SINCE}")
    assert json.loads(SNAPSHOT.read_text("utf-8")) == describe(info), "python -m tools.sam3_nodes"


def test_the_page_is_told_what_to_download_and_which_comfyui_it_needs():
    parts = {part["type"]: part for part in WORKFLOW["nodes"]}
    loader = parts["CheckpointLoaderSimple"]
    assert loader["properties"]["models"] == [SAM3]
    assert loader["widgets_values"] == [SAM3["name"]]
    assert SAM3["url"].endswith(f"/{SAM3['directory']}/{SAM3['name']}")
    assert [parts[name]["properties"]["ver"] for name in NAMES] == [SINCE] * len(NAMES)
    notes = " ".join(x["widgets_values"][0] for x in WORKFLOW["nodes"] if x["type"] in NOTES)
    assert f"]({SAM3['url']})" in notes
    assert f"ComfyUI {SINCE} or later" in notes


def test_the_mask_by_colour_takes_the_place_of_sam3_only(info):
    known = with_sam3(info)
    for path in WORKFLOWS:
        prompt = to_prompt(load_workflow(path), known)
        changed = without_sam3(prompt)
        if path.stem != NAME:
            assert changed == prompt
            continue
        kinds = {part["class_type"] for part in changed.values()}
        assert not kinds & {*NAMES, "CheckpointLoaderSimple", "CLIPTextEncode"}
        assert "LGVI_BackgroundFromFrames" in kinds


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_mask_of_the_real_nodes_fits(server, info, has_sam3, comfyui_path):
    """With random weights SAM 3 finds something anywhere, which shows that the shapes fit."""
    if not has_sam3:
        pytest.skip(f"SAM 3 came with ComfyUI {SINCE}")
    weights = server.base / "models" / SAM3["directory"] / SAM3["name"]
    weights.parent.mkdir(parents=True, exist_ok=True)
    make = [sys.executable, random_sam3.__file__, str(comfyui_path), str(weights)]
    subprocess.run(make, check=True)
    prompt = to_prompt(WORKFLOW, info)
    names = {part["class_type"]: name for name, part in prompt.items()}
    for part in prompt.values():
        for key, value in part["inputs"].items():
            if value == [names["GetVideoComponents"], 0]:
                part["inputs"][key] = ["some", 0]
    frames = [names["GetVideoComponents"], 0]
    prompt["some"] = node("ImageFromBatch", image=frames, batch_index=0, length=FRAMES)
    prompt[names["SAM3_VideoTrack"]]["inputs"]["detection_threshold"] = 0.0
    prompt["mask"] = node("MaskToImage", mask=[names["SAM3_TrackToMask"], 0])
    prompt["show"] = node("PreviewImage", images=["mask", 0])
    try:
        outputs = server.run(prompt, 3500)
    finally:
        weights.unlink()
    mask = pictures(server, outputs)[..., 0]
    expected = describe_video(CLIP) | {"frames": FRAMES}
    assert mask.shape == (FRAMES, expected["height"], expected["width"])
    assert (mask > 127).any()
    video = server.base / "result.mp4"
    video.write_bytes(server.file(outputs[names["SaveVideo"]]["images"][0]))
    result = describe_video(video)
    assert result.pop("seconds of sound") > 0
    expected.pop("seconds of sound")
    assert differences(expected, result) == []
