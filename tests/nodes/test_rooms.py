"""Who may import whom, and what shipped files never do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools.paths import ROOT

COMFYUI = {
    "comfy",
    "comfy_api",
    "comfy_extras",
    "comfy_execution",
    "folder_paths",
    "node_helpers",
    "latent_preview",
    "server",
}
SHIPPED = [
    ROOT / "__init__.py",
    *(ROOT / "nodes").rglob("*.py"),
    *(ROOT / "lgvi_core").rglob("*.py"),
]
FLAGGED_MODULES = {"subprocess", "socket", "ctypes", "pickle", "marshal", "importlib", "urllib"}
FLAGGED_CALLS = {"eval", "exec", "__import__", "compile"}


def imports(path: Path) -> set[str]:
    """Top-level names of every absolute import in a file, and relative ones by their path."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            names.add("." * node.level + module if node.level > 1 else module)
    return names


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("lgvi_core", COMFYUI | {"nodes", "train", "..nodes", "..train"}),
        ("train", COMFYUI | {"nodes", "..nodes"}),
        ("nodes", {"train", "..train", "lgvi_core"}),
    ],
)
def test_rooms_keep_apart(room, forbidden):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        assert not imports(path) & forbidden, path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_shipped_files_hold_nothing_that_scanners_flag(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FLAGGED_CALLS
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("environ", "getenv", "system", "popen")
        if isinstance(node, ast.ImportFrom) and node.module == "pickle":
            assert [alias.name for alias in node.names] == ["UnpicklingError"]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            assert not imports_of(node) & FLAGGED_MODULES


def imports_of(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]}


SNAPSHOT = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
from comfy.cli_args import args
args.cpu = True
import comfy.sd, comfy.samplers, comfy.sample, comfy_extras.nodes_custom_sampler
import comfy_api.v0_0_2, latent_preview, folder_paths, node_helpers

def snapshot():
    return {
        (name, key): id(value)
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("comfy", "comfy_extras", "torch", "latent_preview")
        for key, value in list(vars(module).items())
        if callable(value)
    }

before, path, modules = snapshot(), list(sys.path), set(sys.modules)
spec = importlib.util.spec_from_file_location(
    "lgvi_pack", sys.argv[2] + "/__init__.py", submodule_search_locations=[sys.argv[2]]
)
module = importlib.util.module_from_spec(spec)
sys.modules["lgvi_pack"] = module
spec.loader.exec_module(module)
import asyncio

async def nodes():
    return await (await module.comfy_entrypoint()).get_node_list()

for node in asyncio.run(nodes()):
    node.GET_SCHEMA()
after = snapshot()
assert sys.path == path
assert all(after[key] == value for key, value in before.items())
print(sorted(n for n in set(sys.modules) - modules if not n.startswith("lgvi_pack")))
"""


def test_import_patches_nothing_and_loads_nothing_heavy(comfyui_path):
    done = subprocess.run(
        [sys.executable, "-c", SNAPSHOT, str(comfyui_path), str(ROOT)],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"
