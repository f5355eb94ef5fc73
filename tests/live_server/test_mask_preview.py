"""LGVI Mask Preview as a player on the node, and the words by which nodes are found."""

import json

import pytest

from support.graphs import graph, node, pictures
from tools.demo import describe
from tools.paths import ROOT

SETTINGS = {"threshold": 0.5, "grow": 2, "feather": 2}
DRAWING = {"tint": 0.5, "outline": 1}
SOUGHT = ("erase", "inpaint video", "delete object", "clean plate", "llava")


def test_one_player_shows_the_opacity_of_composite_as_it_is(server, tmp_path):
    """The same picture as from the mask with Composite's own settings, which are made once."""
    prompt = graph(frames=3, **SETTINGS)
    frames = ["frames", 0]
    given = {"as_it_is": True, "fps": 12.0, "threshold": 0.9, "grow": 0, "feather": 0}
    opacity = ["composite", 1]
    prompt["player"] = node("LGVI_MaskPreview", frames=frames, mask=opacity, **given, **DRAWING)
    prompt["again"] = node(
        "LGVI_MaskPreview", frames=frames, mask=["sample", 1], **SETTINGS, **DRAWING
    )
    for name in ("player", "again"):
        prompt[f"show {name}"] = node("PreviewImage", images=[name, 0])
    outputs = server.run(prompt)
    first, second = (pictures(server, outputs, f"show {name}") for name in ("player", "again"))
    assert (first == second).all()
    (item,) = outputs["player"]["images"]
    assert outputs["player"]["animated"] == [True]
    video = tmp_path / "player.mp4"
    video.write_bytes(server.file(item))
    told = describe(video)
    assert (told["width"], told["height"], told["frames"], told["fps"]) == (320, 192, 3, 12.0)


@pytest.mark.parametrize(("size", "shown"), [((101, 51), (102, 52)), ((2000, 1000), (1280, 640))])
def test_frames_of_any_size_can_be_played(server, tmp_path, size, shown):
    width, height = size
    prompt = {
        "frames": node("EmptyImage", width=width, height=height, batch_size=2, color=255),
        "mask": node("SolidMask", value=1.0, width=width, height=height),
    }
    prompt["player"] = node(
        "LGVI_MaskPreview", frames=["frames", 0], mask=["mask", 0], **SETTINGS, **DRAWING
    )
    (item,) = server.run(prompt)["player"]["images"]
    video = tmp_path / "player.mp4"
    video.write_bytes(server.file(item))
    told = describe(video)
    assert abs(told["width"] - shown[0]) <= 2
    assert abs(told["height"] - shown[1]) <= 2


def test_nodes_are_found_by_what_people_look_for(server):
    """Where this ComfyUI has such words at all: 0.3.75 has not, and must not fail for them."""
    info = server.get("/object_info")
    if "search_aliases" not in info["KSampler"]:
        pytest.skip("this ComfyUI finds nodes by their names alone")
    words = {
        word for name in info if name.startswith("LGVI_") for word in info[name]["search_aliases"]
    }
    assert words >= set(SOUGHT)


def test_the_blueprint_says_what_it_is_and_is_found():
    path = ROOT / "subgraphs" / "Remove object (LGVI).json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    (inside,) = whole["definitions"]["subgraphs"]
    assert inside["description"] == whole["extra"]["BlueprintDescription"]
    assert inside["category"]
    assert {"erase", "inpaint video", "clean plate"} <= set(
        whole["extra"]["BlueprintSearchAliases"]
    )
