"""The node LGVI Video From Folder in a real ComfyUI server."""

import importlib
import shutil

import pytest

from support.graphs import CLIP
from tools.comfyui.server import PromptFailed

NAMES = ["a walk", "clip10", "clip2"]  # in sorted order
SECOND_IS_BROKEN = 1


@pytest.fixture(scope="module")
def folder(server):
    place = server.base / "input" / "some clips"
    place.mkdir()
    for name in NAMES:
        shutil.copy(CLIP, place / f"{name}.mp4")
    (place / "clip10.mp4").write_bytes(b"no video")
    (place / "notes.txt").write_text("not listed")
    (place / "more").mkdir()
    yield place
    shutil.rmtree(place)


def graph(folder, index):
    return {
        "take": {
            "class_type": "LGVI_VideoFromFolder",
            "inputs": {"folder": folder, "index": index},
        },
        "parts": {"class_type": "GetVideoComponents", "inputs": {"video": ["take", 0]}},
        "frame": {
            "class_type": "ImageFromBatch",
            "inputs": {"image": ["parts", 0], "batch_index": 0, "length": 1},
        },
        "save": {
            "class_type": "SaveImage",
            "inputs": {"images": ["frame", 0], "filename_prefix": ["take", 1]},
        },
    }


def test_each_run_takes_the_next_one_and_a_broken_one_costs_only_itself(server, folder):
    runs = [server.queue(graph(folder.name, index)) for index in range(len(NAMES) + 1)]
    for index, (run, name) in enumerate(zip(runs, NAMES, strict=False)):
        if index == SECOND_IS_BROKEN:
            with pytest.raises(PromptFailed) as error:
                server.wait(run)
            assert error.value.details["node_id"] == "parts"
        else:
            (item,) = server.wait(run)["save"]["images"]
            assert item["filename"].startswith(name)
    with pytest.raises(PromptFailed, match="all done: some clips holds 3 videos"):
        server.wait(runs[-1])


def test_a_file_that_was_replaced_is_read_anew(server, folder):
    clip = folder / "clip2.mp4"
    server.run(graph(folder.name, 2))
    clip.write_bytes(b"no video")
    with pytest.raises(PromptFailed):
        server.run(graph(folder.name, 2))
    shutil.copy(CLIP, clip)
    server.run(graph(folder.name, 2))


@pytest.mark.parametrize("name", ["../input/some clips", "missing", "/etc", "some clips/more", "."])
def test_only_folders_with_videos_in_input_are_taken(server, folder, name):
    with pytest.raises(PromptFailed) as error:
        server.run(graph(name, 0))
    assert f"there is no folder {name!r} with videos in" in str(error.value)


def test_a_folder_that_may_not_be_read_is_left_out(pack, monkeypatch, tmp_path):
    module = importlib.import_module("lgvi_pack.nodes.video_from_folder")
    for name in ("locked", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.mp4").touch()
    monkeypatch.setattr(module.folder_paths, "get_input_directory", lambda: str(tmp_path))
    read = module.videos_in

    def refuse(folder):
        if folder == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return read(folder)

    monkeypatch.setattr(module, "videos_in", refuse)
    assert module.list_folders() == ["open"]


def test_a_folder_by_another_node_is_checked_when_it_is_known(pack):
    """Newer pages let a menu's value come from another node."""
    module = importlib.import_module("lgvi_pack.nodes.video_from_folder")
    assert module.VideoFromFolder.validate_inputs(None) is True
    with pytest.raises(ValueError, match=r"no folder '\.\./output' with videos"):
        module.choose("../output", 0)
