"""The sample clip that the templates open with arrives in ComfyUI's input folder by itself."""

import importlib
import logging

import pytest

from support.graphs import CLIP
from tools.workflows.parts import CLIPS


@pytest.fixture(scope="module")
def provide(pack):
    return importlib.import_module("lgvi_pack.nodes.host.sample_clip").provide_sample_clip


def test_the_clip_arrives_whole_and_nothing_else(provide, tmp_path):
    folder = tmp_path / "input"
    provide(folder)
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert [str(path.as_posix()) for path in found] == [f"{CLIPS}/{CLIP.name}", CLIP.name]
    assert all((folder / path).read_bytes() == CLIP.read_bytes() for path in found)


def test_what_a_person_has_put_there_stays(provide, tmp_path):
    mine, clips = tmp_path / CLIP.name, tmp_path / CLIPS
    mine.write_bytes(b"mine")
    clips.mkdir()
    provide(tmp_path)
    assert mine.read_bytes() == b"mine"
    assert list(clips.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported_and_stops_nothing(provide, tmp_path, caplog):
    not_a_folder = tmp_path / "input"
    not_a_folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        provide(not_a_folder)
    assert str(CLIP) in caplog.text
    assert str(not_a_folder) in caplog.text


def test_a_copy_that_fails_half_way_leaves_nothing(provide, tmp_path, caplog, monkeypatch):
    def fail(source, target):
        target.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("shutil.copyfile", fail)
    provide(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "no space left" in caplog.text
