"""The package for the Comfy Registry: pyproject.toml, and the files that artists install."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tools.paths import ROOT

PARTS = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "__init__.py",
    "lgvi_core",
    "locales",
    "nodes",
    "pyproject.toml",
    "requirements.txt",
    "subgraphs",
    "web",
    "workflows",
}
LOAD = """
import asyncio, importlib.util, sys
sys.path.insert(0, sys.argv[1])
from comfy.cli_args import args
args.cpu = True
import utils.extra_config  # first, as in ComfyUI's main: there is another "utils" beside it
spec = importlib.util.spec_from_file_location(
    "lgvi_pack", sys.argv[2] + "/__init__.py", submodule_search_locations=[sys.argv[2]]
)
pack = sys.modules["lgvi_pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
"""
CHECK = """
import folder_paths
folder_paths.set_input_directory(sys.argv[2] + "/../../input")
nodes = asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
assert nodes
from lgvi_pack.lgvi_core.checkpoint.checkpoint import load_checkpoint
from lgvi_pack.nodes.host.catalogue import BUNDLED_VIDEO_MODEL, VIDEO_MODELS
load_checkpoint(VIDEO_MODELS.resolve(BUNDLED_VIDEO_MODEL))
print("whole")
"""


@pytest.fixture(scope="module")
def packed_files() -> list[Path]:
    """The files that the registry packs: those that git tracks, without those in .comfyignore."""
    known = set(_git("ls-files"))
    left_out = set(_git("ls-files", "--cached", "--ignored", "--exclude-from=.comfyignore"))
    assert left_out
    return sorted(map(Path, known - left_out))


@pytest.fixture(scope="module")
def metadata(comfyui_path):
    """pyproject.toml as ComfyUI itself reads it."""
    if str(comfyui_path) not in sys.path:
        sys.path.insert(0, str(comfyui_path))
    from comfy_config.config_parser import extract_node_configuration

    return extract_node_configuration(str(ROOT))


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def test_only_what_artists_need_is_packed(packed_files):
    assert {path.parts[0] for path in packed_files} <= PARTS
    assert not [path for path in packed_files if path.suffix in (".js", ".pyc", ".pth", ".zip")]


@pytest.mark.slow
def test_the_packed_files_are_whole(packed_files, tmp_path, comfyui_path):
    root = tmp_path / "custom_nodes" / "comfyui-lgvi"
    for path in packed_files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    modules = [
        ".".join(("lgvi_pack", *path.with_suffix("").parts))
        for path in packed_files
        if path.suffix == ".py" and path.name != "__init__.py"
    ]
    code = LOAD + "".join(f"import {module}\n" for module in modules) + CHECK
    arguments = [sys.executable, "-c", code, str(comfyui_path), str(root)]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == "whole"


def test_metadata_as_comfyui_reads_it(metadata):
    project, comfy = metadata.project, metadata.tool_comfy
    assert project.name == "lgvi"
    assert re.fullmatch(r"\d+\.\d+\.\d+", project.version)
    assert project.urls.repository.startswith("https://github.com/")
    assert re.fullmatch(r"[a-z0-9-]+", comfy.publisher_id)
    assert comfy.display_name
    assert project.supported_comfyui_version == ">=0.3.75"
    assert "OS Independent" in project.supported_os


def test_the_icon_is_a_file_of_this_repository(metadata):
    owner = metadata.project.urls.repository.removeprefix("https://github.com/")
    base = f"https://raw.githubusercontent.com/{owner}/main/"
    assert metadata.tool_comfy.icon.startswith(base)
    with Image.open(ROOT / metadata.tool_comfy.icon.removeprefix(base)) as icon:
        assert icon.width == icon.height <= 400


def test_requirements_are_the_same_for_both_ways_of_installing(metadata):
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    assert listed == set(metadata.project.dependencies)
    assert all(re.fullmatch(r"[a-z-]+(>=[\d.]+)?", name) for name in listed), "lower bounds only"


def test_the_changelog_tells_of_this_version(metadata):
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert headings[0] == metadata.project.version
