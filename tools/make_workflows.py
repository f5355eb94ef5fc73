"""Write the workflow and blueprint files from their descriptions in tools/workflows/designs.py.

    COMFYUI_PATH=... python -m tools.make_workflows [NAME ...]

`remove_object` was made by hand in the page and has no description.
"""

import argparse
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

from .comfyui.server import running_server
from .paths import ROOT
from .workflows.blueprint import Blueprint
from .workflows.designs import BLUEPRINTS, DESIGNS
from .workflows.graph import Graph

WORKFLOWS, SUBGRAPHS = ROOT / "workflows", ROOT / "subgraphs"


def write(info: dict[str, Any], name: str) -> None:
    """Write the file of one workflow or blueprint; `info` is a server's answer to /object_info."""
    if name in BLUEPRINTS:
        blueprint = Blueprint(info, name)
        BLUEPRINTS[name](blueprint)
        _write(SUBGRAPHS, name, blueprint)
    else:
        graph = Graph(info, str(uuid.uuid5(uuid.NAMESPACE_URL, f"comfyui-lgvi/{name}")))
        DESIGNS[name](graph)
        _write(WORKFLOWS, name, graph)


def _write(folder: Path, name: str, graph: Graph) -> None:
    folder.mkdir(exist_ok=True)
    text = json.dumps(graph.workflow(), indent=1) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    known = [*DESIGNS, *BLUEPRINTS]
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(known)}")
    names = parser.parse_args().names or known
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "input").mkdir()
        with running_server(base) as server:
            info = server.get("/object_info")
    for name in names:
        write(info, name)


if __name__ == "__main__":
    main()
