"""Who may import whom, and what shipped files never do."""

import ast

import pytest

from tools.paths import ROOT
from tools.rooms import breaches, circles, imports_of

SHIPPED = [
    ROOT / "__init__.py",
    *(ROOT / "nodes").rglob("*.py"),
    *(ROOT / "lgvi_core").rglob("*.py"),
]
FLAGGED_MODULES = {"subprocess", "socket", "ctypes", "pickle", "marshal", "importlib", "urllib"}
FLAGGED_CALLS = {"eval", "exec", "__import__", "compile"}


def test_imports_go_one_way_and_never_in_circles():
    assert breaches() == []
    assert circles() == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("lgvi_core/chat/x.py", "from ...nodes import sampler"),
        ("lgvi_core/chat/x.py", "from ...nodes.host.model import is_lgvi"),
        ("lgvi_core/x.py", "from .. import nodes"),
        ("lgvi_core/x.py", "from ..train.lgvi import batch"),
        ("lgvi_core/x.py", "import train"),
        ("lgvi_core/x.py", "import comfy.sd"),
        ("lgvi_core/x.py", "from lgvi_core import errors"),
        ("lgvi_core/x.py", "def f():\n    from ..nodes import sampler"),
        ("nodes/host/x.py", "from .. import sampler"),
        ("nodes/host/x.py", "from ..sampler import Sampler"),
        ("nodes/x.py", "from ..train import evaluate"),
        ("nodes/x.py", "from lgvi_core.errors import LGVIError"),
        ("nodes/x.py", "from ..tools.paths import ROOT"),
        ("train/lgvi/x.py", "from nodes.host import model"),
        ("train/lgvi/x.py", "from ...nodes import sampler"),
        ("train/lgvi/x.py", "from comfy import sd"),
        ("train/lgvi/x.py", "from tools.paths import ROOT"),
        ("tools/x.py", "from support.cases import load_case"),
        ("tools/x.py", "import tests.support.cases"),
    ],
)
def test_every_breach_is_found(tmp_path, path, line):
    for room in ("lgvi_core/chat", "nodes/host", "train/lgvi", "tools"):
        (tmp_path / room).mkdir(parents=True)
    for module in ("nodes/sampler.py", "nodes/host/model.py", "nodes/__init__.py"):
        (tmp_path / module).write_text("")
    (tmp_path / path).write_text(line)
    (found,) = breaches(tmp_path)
    assert found.startswith(f"{path}:")


def test_no_test_imports_another():
    for path in (ROOT / "tests").rglob("*.py"):
        modules = [imported.module.split(".") for imported in imports_of(path)]
        assert not [m for m in modules if m[-1].startswith("test_") or m[0] == "conftest"], path


def test_what_goes_the_right_way_is_no_breach(tmp_path):
    lines = {
        "lgvi_core/a.py": "from .unet import b\nimport torch",
        "nodes/host/a.py": "from ...lgvi_core import a\nimport comfy.sd",
        "nodes/a.py": "from .host import a\nfrom ..lgvi_core.a import b\nimport server",
        "train/lgvi/a.py": "from ..engine import a\nfrom lgvi_core import a",
        "tools/a.py": "from train.lgvi import a\nfrom . import b",
        "tests/a.py": "from tools import a\nfrom support import b\nimport comfy",
    }
    for path, text in lines.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert breaches(tmp_path) == []


def test_circles_are_found_but_not_those_of_types_alone(tmp_path):
    (tmp_path / "train").mkdir()
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import a"
    lines = {"a": "from . import b", "b": "from .c import x", "c": types, "d": "from . import a"}
    for name, text in lines.items():
        (tmp_path / "train" / f"{name}.py").write_text(text)
    assert circles(tmp_path) == []
    (tmp_path / "train" / "c.py").write_text("def f():\n    from . import a")
    assert circles(tmp_path) == [["train.a", "train.b", "train.c"]]


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
            assert not top_names(node) & FLAGGED_MODULES


def top_names(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]}
