"""Renew the snapshot of the nodes' inputs and outputs, which keeps saved workflows working.

    COMFYUI_PATH=... python -m tools.object_info

Run it after adding a node, or an output or optional input at the end of a node. It writes
tools/object_info.json, and refuses changes that would break saved workflows.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from .comfyui.server import running_server

SNAPSHOT = Path(__file__).with_suffix(".json")
Nodes = dict[str, dict[str, Any]]
"""Descriptions by node id: inputs and outputs in their order, as lists of dicts."""

OTHERS_MENUS = {
    "LGVI_LoadModel": {"model"},
    "LGVI_LoadChat": {"model", "end_to_end_weights"},
    "LGVI_Sampler": {"sampler", "scheduler"},
    "LGVI_RemoveFromVideo": {"sampler", "scheduler"},
    "LGVI_VideoFromFolder": {"folder"},
}
"""Menus whose entries are files or ComfyUI's own; the snapshot leaves their entries out."""
SHAPE = ("default", "min", "max", "step", "multiline", "forceInput", "control_after_generate")
"""Options that a saved value, or its position among the saved values, depends on."""


def describe(object_info: dict[str, Any]) -> Nodes:
    """Describe this pack's nodes, without their texts, from a server's answer to /object_info."""
    return {
        name: {
            "inputs": [
                _input(name, key, spec, kind == "required")
                for kind in ("required", "optional")
                for key, spec in info["input"].get(kind, {}).items()
            ],
            "outputs": [
                {"name": key, "type": kind}
                for key, kind in zip(info["output_name"], info["output"], strict=True)
            ],
            "output_node": info["output_node"],
        }
        for name, info in sorted(object_info.items())
        if name.startswith("LGVI_")
    }


def breaks(old: Nodes, new: Nodes) -> list[str]:
    """Changes from `old` to `new` that break saved workflows or prompts, in words."""
    found = [f"{name} is gone" for name in old if name not in new]
    for name in set(old) & set(new):
        if old[name]["output_node"] and not new[name]["output_node"]:
            found.append(f"{name} no longer runs by itself")
        for part in ("inputs", "outputs"):
            before, after = old[name][part], new[name][part]
            if [x["name"] for x in before] != [x["name"] for x in after[: len(before)]]:
                found.append(f"{name}: its {part} were removed, renamed or reordered")
                continue
            pairs = zip(before, after, strict=False)
            found += [
                f"{name}.{was['name']}: {why}" for was, now in pairs for why in _lost(was, now)
            ]
        for extra in new[name]["inputs"][len(old[name]["inputs"]) :]:
            if extra["required"]:
                found.append(f"{name}.{extra['name']} is new, and not optional")
    return found


def renew() -> int:
    """Write the snapshot unless that would break saved workflows; return the exit code."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        nodes = describe(server.get("/object_info"))
    old = json.loads(SNAPSHOT.read_text(encoding="utf-8")) if SNAPSHOT.exists() else {}
    if found := breaks(old, nodes):
        print("This would break saved workflows:", *found, sep="\n  ", file=sys.stderr)
        return 1
    SNAPSHOT.write_text(json.dumps(nodes, indent=1) + "\n", encoding="utf-8")
    return 0


def _input(node: str, name: str, spec: list[Any], required: bool) -> dict[str, Any]:
    options = spec[1] if len(spec) > 1 else {}
    told = {key: options[key] for key in SHAPE if options.get(key) is not None}
    if spec[0] == "COMBO":
        if name in OTHERS_MENUS.get(node, ()):
            told.pop("default", None)
        else:
            told["options"] = options["options"]
    return {"name": name, "type": spec[0], "required": required, **told}


def _lost(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Reasons why a value or link saved for the input or output `was` does not fit `now`."""
    kept = ("type", "forceInput", "control_after_generate")
    found = [f"{key} changed" for key in kept if was.get(key) != now.get(key)]
    if now.get("required") and not was.get("required"):
        found.append("is no longer optional")
    if was.get("required") is False and was.get("default") != now.get("default"):
        found.append("another default, which prompts without it would get")
    if gone := [entry for entry in was.get("options", ()) if entry not in now.get("options", ())]:
        found.append(f"menu entries {gone} are gone")
    if was.get("min", 0) < now.get("min", 0) or was.get("max", 0) > now.get("max", 0):
        found.append("a narrower range")
    return found


if __name__ == "__main__":
    sys.exit(renew())
