"""LGVI Save Example: under the output folder alone, with what a person should know."""

import importlib

import pytest
import torch


@pytest.fixture
def node(comfy, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path / "output"))
    module = importlib.import_module("lgvi_pack.nodes.save_example")
    return module.SaveExample.PREPARE_CLASS_CLONE(None)


def parts(share=0.2):
    source = torch.rand(3, 40, 60, 3)
    mask = torch.zeros(1, 40, 60)
    mask[:, :, : round(60 * share)] = 1
    return {"source": source, "result": source * (1 - mask[..., None]), "mask": mask}


def test_examples_are_added_to_a_folder_under_output(node, tmp_path):
    for number in (1, 2):
        output = node.execute(**parts(), sentence="remove the wall", folder="mine/first")
        assert f"{number} examples in first" in output.ui.as_dict()["text"][0]
    assert output.args == (str((tmp_path / "output/mine/first").resolve()),)
    assert len(list((tmp_path / "output/mine/first/JPEGImages").iterdir())) == 2


def test_what_training_will_leave_out_is_said(node):
    output = node.execute(**parts(0.5), sentence="remove the wall", folder="mine")
    assert "covers 50% of a frame" in output.ui.as_dict()["text"][0]


@pytest.mark.parametrize("folder", ["", "../elsewhere", "/tmp/elsewhere", "mine/../.."])
def test_nothing_is_written_elsewhere(node, folder):
    with pytest.raises(ValueError, match="not inside"):
        node.execute(**parts(), sentence="remove the wall", folder=folder)


def test_the_history_of_the_chat_is_kept(node, tmp_path):
    history = '[{"request": "no wall", "reply": "{{prompt}} remove the wall {{/prompt}}"}]'
    node.execute(**parts(), sentence="remove the wall", folder="mine", history=history)
    assert "no wall" in (tmp_path / "output/mine/train.json").read_text()
    with pytest.raises(ValueError, match="history is not one of LGVI Chat"):
        node.execute(**parts(), sentence="remove the wall", folder="mine", history="hello")
