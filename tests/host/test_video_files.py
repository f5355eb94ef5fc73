"""Temporary files of the nodes: written for any VIDEO, and deleted when nothing needs them."""

import gc
import importlib
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from lgvi_core.video.files import VideoReader
from support.videos import make_video


@pytest.fixture
def folder(comfy, tmp_path, monkeypatch):
    """ComfyUI's temporary folder, empty."""
    paths = importlib.import_module("folder_paths")
    monkeypatch.setattr(paths, "get_temp_directory", lambda: str(tmp_path / "temp"))
    return tmp_path / "temp" / comfy.files.SUBFOLDER


def files_in(folder: Path) -> list[Path]:
    gc.collect()
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("fps", [29.97, 23.976, 59.94, 30000 / 1001, 25.0])
def test_stock_videos_of_cameras_rates_become_a_file(comfy, folder, fps):
    """ComfyUI's Create Video keeps the rate as the exact fraction of a float."""
    parts = comfy.types.VideoComponents(images=torch.rand(5, 64, 64, 3), frame_rate=Fraction(fps))
    made = comfy.files.source_of(comfy.video.VideoFromComponents(parts))
    with VideoReader(made) as reader:
        assert reader.info.fps == pytest.approx(fps, rel=1e-4)
    assert len(files_in(folder)) == 1
    del made, reader
    assert not files_in(folder)


def test_a_file_lives_as_long_as_a_video_of_it(comfy, folder, tmp_path):
    path = comfy.files.new_file()
    make_video(path)
    video = comfy.files.video_of(path)
    other = comfy.video.VideoFromFile(video.get_stream_source())
    del video
    assert files_in(folder) == [path], "another VIDEO was made of it"
    other.save_to(str(tmp_path / "saved.mp4"))
    del other
    assert not files_in(folder)
    with VideoReader(tmp_path / "saved.mp4") as reader:
        assert sum(1 for _ in reader) == 12


def test_create_video_leaves_no_file_behind(comfy, folder):
    node = importlib.import_module("lgvi_pack.nodes.create_video").CreateVideo
    node = node.PREPARE_CLASS_CLONE(None)
    output = node.execute(images=torch.rand(3, 64, 64, 3), fps=29.97, crf=16)
    assert len(files_in(folder)) == 1
    sound = {"waveform": torch.full((1, 2, 48_000), float("nan")), "sample_rate": 48_000}
    with pytest.raises(comfy.errors.LGVIError, match="the sound holds NaN"):
        node.execute(images=torch.rand(3, 64, 64, 3), fps=24.0, crf=16, audio=sound)
    with pytest.raises(comfy.errors.LGVIError, match="is no rate"):
        node.execute(images=torch.rand(3, 64, 64, 3), fps=float("nan"), crf=16)
    assert len(files_in(folder)) == 1
    del output
    assert not files_in(folder)


def test_what_a_node_shows_lives_as_long_as_it_is_shown(comfy, folder):
    player = importlib.import_module("lgvi_pack.nodes.host.player").player
    shown = player(torch.rand(3, 50, 70, 3), 24.0)
    (item,) = shown["images"]
    (path,) = files_in(folder)
    assert (item["filename"], item["subfolder"]) == (path.name, folder.name)
    del shown
    assert files_in(folder) == [path], "ComfyUI keeps the entries of the list"
    del item
    assert not files_in(folder)
