"""Write the English texts in `locales` from the texts of the nodes themselves.

COMFYUI_PATH=... python -m tools.locales
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from .comfyui.server import running_server
from .paths import ROOT

LOCALES = ROOT / "locales"
AFTER_SEED = "control after generate"
Texts = dict[str, Any]
"""Texts in ComfyUI's format: nested, with a text or null at each leaf."""


def english(object_info: dict[str, Any]) -> Texts:
    """Content of `nodeDefs.json` for this pack's nodes, from a server's answer to /object_info."""
    return {
        name: {
            "display_name": info["display_name"],
            "description": info["description"],
            "inputs": _inputs(info),
            "outputs": {
                str(i): {"name": key, "tooltip": tooltip}
                for i, (key, tooltip) in enumerate(
                    zip(info["output_name"], info["output_tooltips"], strict=True)
                )
            },
        }
        for name, info in sorted(object_info.items())
        if name.startswith("LGVI_")
    }


def english_main(object_info: dict[str, Any]) -> Texts:
    """Content of `main.json`: the category in the node menu, and the pack's own data types."""
    ours = [info for name, info in object_info.items() if name.startswith("LGVI_")]
    types = {kind for info in ours for kind in info["output"] if kind.startswith("LGVI")}
    return {
        "nodeCategories": {info["category"]: info["category"] for info in ours},
        "dataTypes": {kind: kind for kind in sorted(types)},
    }


def renew() -> None:
    """Write both English files."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        info = server.get("/object_info")
    _write(LOCALES / "en" / "nodeDefs.json", english(info))
    _write(LOCALES / "en" / "main.json", english_main(info))


def _inputs(info: dict[str, Any]) -> Texts:
    texts: Texts = {}
    for kind in ("required", "optional"):
        for key, spec in info["input"].get(kind, {}).items():
            options = spec[1] if len(spec) > 1 else {}
            texts[key] = {"name": key, "tooltip": options.get("tooltip")}
            if options.get("control_after_generate"):
                texts["control_after_generate"] = {"name": AFTER_SEED}
    return texts


def _write(path: Path, texts: Texts) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    renew()
