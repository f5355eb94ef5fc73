"""Shared fixtures.

The repository's root comes last on `sys.path`, because its `nodes/` must never shadow ComfyUI's
`nodes.py`.
"""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() not in (ROOT, ROOT / "tests")]
# The tests come after the root, so that `train` is the package and not the folder of its tests.
sys.path += [str(ROOT), str(ROOT / "tests")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the folders `live_server` and `browser`, which the fast tier leaves out."""
    markers = {"live_server": "server", "browser": "browser"}
    for item in items:
        if marker := markers.get(item.path.parent.name):
            item.add_marker(marker)


@pytest.fixture(scope="session")
def comfyui_path() -> Path:
    """The ComfyUI tree that is tested with; `run.py test` sets COMFYUI_PATH."""
    assert "COMFYUI_PATH" in os.environ, "run the tests by: python run.py test"
    return Path(os.environ["COMFYUI_PATH"])


@pytest.fixture(scope="session")
def pack(comfyui_path) -> ModuleType:
    """The pack, imported into this process beside ComfyUI's modules, on the CPU."""
    from tools.comfyui.pack import load_pack

    return load_pack(comfyui_path)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A random checkpoint in the released layout."""
    from support.tiny_checkpoint import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running ComfyUI with the pack, the files that the workflows need, and random models.

    These are the checkpoint `tiny` and the chat models `tiny-chat` and `endless-chat`.
    """
    from support.tiny_chat import make_chat_folder
    from support.tiny_checkpoint import write_checkpoint
    from tools.comfyui.server import running_server
    from tools.workflows.inputs import prepare

    base = tmp_path_factory.mktemp("comfyui")
    write_checkpoint(base / "models" / "lgvi" / "tiny")
    make_chat_folder(base / "models" / "lgvi_chat" / "tiny-chat")
    make_chat_folder(base / "models" / "lgvi_chat" / "endless-chat", endless=True)
    prepare(base)
    with running_server(base) as running:
        yield running
