"""Write the workflow and blueprint files from their descriptions in tools/workflows/designs.py.

    COMFYUI_PATH=... python -m tools.make_workflows [NAME ...]

NAME is that of a design, such as `remove_object`; its file has the title that the page shows.
"""

import argparse
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

from .comfyui.server import running_server
from .paths import ROOT
from .sam3_nodes import with_sam3
from .workflows.blueprint import Blueprint
from .workflows.designs import BLUEPRINTS, DESIGNS
from .workflows.graph import Graph
from .workflows.titles import TITLES

WORKFLOWS, SUBGRAPHS = ROOT / "workflows", ROOT / "subgraphs"


def content(info: dict[str, Any], name: str) -> tuple[Path, str]:
    """Return the file of a workflow or blueprint, and the text that belongs into it.

    `info` is a server's answer to /object_info.
    """
    if name in BLUEPRINTS:
        blueprint = Blueprint(info, name)
        BLUEPRINTS[name](blueprint)
        return SUBGRAPHS / f"{name}.json", _text(blueprint)
    graph = Graph(with_sam3(info), str(uuid.uuid5(uuid.NAMESPACE_URL, f"comfyui-lgvi/{name}")))
    DESIGNS[name](graph)
    return WORKFLOWS / f"{TITLES[name]}.json", _text(graph)


def _text(graph: Graph) -> str:
    return json.dumps(graph.workflow(), indent=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    known = [*DESIGNS, *BLUEPRINTS]
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(known)}")
    names = parser.parse_args().names or known
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "input").mkdir()
        with running_server(base) as server:
            info = server.get("/object_info")
    for name in names:
        path, text = content(info, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
