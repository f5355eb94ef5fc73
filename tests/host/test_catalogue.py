"""Menus of models and the files behind their entries, with folders as people have them."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def catalogue(pack):
    return importlib.import_module("lgvi_pack.nodes.host.catalogue")


@pytest.fixture
def own(catalogue):
    return catalogue.VIDEO_MODELS


@pytest.fixture
def chat(catalogue):
    return catalogue.CHAT_MODELS


@pytest.fixture
def weights(pack):
    return importlib.import_module("lgvi_pack.nodes.host.end_to_end_weights")


@pytest.fixture
def folders(catalogue, tmp_path, monkeypatch) -> Path:
    """ComfyUI's model folders, each with a model and a folder called "locked"."""
    places = {kind: tmp_path / kind for kind in ("lgvi", "diffusers", "lgvi_chat")}
    for kind, folder in places.items():
        for name in (f"a {kind}", "locked"):
            (folder / name / "unet").mkdir(parents=True)
            (folder / name / "config.json").write_text("{}")
    module = catalogue.folder_paths
    monkeypatch.setattr(module, "get_folder_paths", lambda kind: [str(places[kind])])
    return tmp_path


@pytest.fixture
def locked(monkeypatch) -> None:
    """Refuse access to folders called "locked", as a system does to anyone but root."""
    look = Path.stat

    def refuse(self, **options):
        if "locked" in self.parent.parts:
            raise PermissionError(13, "Permission denied", str(self))
        return look(self, **options)

    monkeypatch.setattr(Path, "stat", refuse)


def test_folders_that_cannot_be_read_are_left_out_of_the_menus(own, chat, weights, folders, locked):
    """Menus are made while the pack is loaded; an exception would disable all of its nodes."""
    assert {"a lgvi", "a diffusers"} <= {*own.names()}
    assert "a lgvi_chat" in chat.names()
    assert "locked" not in {*own.names(), *chat.names()}
    assert weights.names() == [weights.OWN_WEIGHTS]


def test_a_models_folder_that_cannot_be_read_is_as_good_as_empty(own, chat, folders, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert not [name for name in own.names() if name.startswith("a ")]
    assert not [name for name in chat.names() if name.startswith("a ")]


def test_a_download_that_changed_on_the_disk_is_loaded_again(own, chat, folders):
    for models in (own, chat):
        name = next(iter(models.downloads))
        before = models.fingerprint(name)
        folder = models.download_folder(name)
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"new")
        assert models.fingerprint(name) != before


def test_names_from_other_nodes_are_checked_when_they_are_known(own, pack):
    """Newer pages let a menu's value come from another node; it is None until that node has run."""
    loader = importlib.import_module("lgvi_pack.nodes.load_lgvi").LoadLGVI
    chat_loader = importlib.import_module("lgvi_pack.nodes.load_chat").LoadChat
    assert loader.validate_inputs(None) is True
    assert chat_loader.validate_inputs(None, None) is True
    assert "is not there" in loader.validate_inputs("../secret")
    with pytest.raises(ValueError, match="is not there"):
        loader.execute("../secret", "auto")
    with pytest.raises(ValueError, match="are not there"):
        chat_loader.execute("lgvi-mini-chat (bundled)", "auto", "cpu", "../secret")
