"""Who imports whom: the arrows between the repository's rooms, and the circles among its modules.

    python -m tools.rooms

The rooms are the folders of Python files; `ALLOWED` says which way imports may go.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .paths import ROOT

TOP_ROOMS = ("lgvi_core", "nodes", "train", "tools", "tests")
ALLOWED = {
    "lgvi_core": {"lgvi_core"},
    "nodes/host": {"nodes/host", "lgvi_core"},
    "nodes": {"nodes", "nodes/host", "lgvi_core"},
    "train": {"train", "lgvi_core"},
    "tools": {"tools", "train", "nodes/host", "nodes", "lgvi_core"},
    "tests": {"tests", "tools", "train", "nodes/host", "nodes", "lgvi_core"},
}
"""Which rooms each room may import from. Only `nodes`, `tools` and `tests` know ComfyUI."""
COMFYUI = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "folder_paths",
    "latent_preview",
    "node_helpers",
    "server",
}
"""Top-level names of ComfyUI's own modules."""
WITHOUT_COMFYUI = ("lgvi_core", "train")
RELATIVE = ("lgvi_core", "nodes", "nodes/host")
"""Rooms that artists install: ComfyUI loads them by path, under a name of its own."""


class Import(NamedTuple):
    """One imported module, by its absolute name.

    `is_relative` says how it is written, `is_for_types` whether only a type checker sees it.
    """

    module: str
    line: int
    is_relative: bool = False
    is_for_types: bool = False


def imports_of(path: Path, root: Path = ROOT) -> Iterator[Import]:
    """Every module that a file imports, wherever in the file, with relative imports resolved.

    `from package import name` counts as `package.name` where that is a module of `root`.
    """
    package = path.relative_to(root).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, False, id(node) in for_types)
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = [*package[: len(package) - node.level + 1], *base]
            for alias in node.names:
                whole = [*base, alias.name]
                name = whole if _is_module(whole, root) else base
                is_relative = node.level > 0
                yield Import(".".join(name), node.lineno, is_relative, id(node) in for_types)


def room_of(module: str) -> str | None:
    """The room that a module is in; None where it is not this repository's."""
    top, *rest = module.split(".")
    if top == "support":  # tests import it by this name
        return "tests"
    if top == "nodes" and rest[:1] == ["host"]:
        return "nodes/host"
    return top if top in TOP_ROOMS else None


def breaches(root: Path = ROOT) -> list[str]:
    """Imports that go the wrong way, in words: one line each."""
    found = []
    for path in python_files(root):
        room = room_of(module_of(path, root))
        assert room is not None
        for imported in imports_of(path, root):
            target = room_of(imported.module)
            is_host = imported.module.split(".")[0] in COMFYUI
            wrong = target is not None and target not in ALLOWED[room]
            absolute = target is not None and room in RELATIVE and not imported.is_relative
            if wrong or absolute or (is_host and room in WITHOUT_COMFYUI):
                place = f"{path.relative_to(root).as_posix()}:{imported.line}"
                found.append(f"{place} imports {imported.module}")
    return found


def circles(root: Path = ROOT) -> list[list[str]]:
    """Groups of modules that import each other while they run, directly or through others."""
    graph = {
        module_of(path, root): {x.module for x in imports_of(path, root) if not x.is_for_types}
        for path in python_files(root)
    }
    graph = {module: targets & graph.keys() - {module} for module, targets in graph.items()}
    reached = {module: _reach(graph, module) for module in graph}
    groups = {
        frozenset(other for other in reached[module] if module in reached[other]) | {module}
        for module in graph
        if module in reached[module]
    }
    return sorted(sorted(group) for group in groups)


def arrows(root: Path = ROOT) -> Counter[tuple[str, str]]:
    """How many imports go from one folder of modules to another."""
    found: Counter[tuple[str, str]] = Counter()
    for path in python_files(root):
        for imported in imports_of(path, root):
            if room_of(imported.module) is not None:
                here, there = _folder(module_of(path, root)), _folder(imported.module)
                if here != there:
                    found[here, there] += 1
    return found


def python_files(root: Path = ROOT) -> list[Path]:
    """The Python files of all rooms."""
    return sorted(path for room in TOP_ROOMS for path in (root / room).rglob("*.py"))


def module_of(path: Path, root: Path = ROOT) -> str:
    """The absolute name of a file's module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _folder(module: str) -> str:
    parts = module.split(".")
    path = ROOT.joinpath(*parts)
    return "/".join(parts if path.is_dir() else parts[:-1]) or module


def _is_module(parts: list[str], root: Path) -> bool:
    path = root.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _reach(graph: dict[str, set[str]], start: str) -> set[str]:
    """Everything that a module imports, directly or through others."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()] - seen:
            seen.add(target)
            waiting.append(target)
    return seen


def main() -> None:
    found = arrows()
    for (here, there), count in sorted(found.items()):
        print(f"{here} -> {there}: {count}")
    print(f"{len(found)} arrows between folders, {len(circles())} circles of modules")
    for group in circles():
        print("circle:", ", ".join(group))
    for line in breaches():
        print("wrong way:", line)


if __name__ == "__main__":
    main()
