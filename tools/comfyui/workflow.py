"""Conversion of saved workflows into prompts for ComfyUI's HTTP API."""

import json
from pathlib import Path
from typing import Any

from ..comfyui.server import Prompt

NOTES = {"Note", "MarkdownNote"}
"""Types of nodes that exist only in the page, not on the server."""
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
"""Types of inputs that the page shows as widgets."""


def load_workflow(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def to_prompt(workflow: dict[str, Any], object_info: dict[str, Any]) -> Prompt:
    """The prompt that the page would send for `workflow`: links and widget values by input name.

    `object_info` is the server's answer to /object_info. Raises KeyError where a node of the
    workflow is not installed.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt: Prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        inputs = _widgets(node, object_info[node["type"]])
        for slot in node["inputs"]:
            if slot["link"] is not None:
                inputs[slot["name"]] = sources[slot["link"]]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _widgets(node: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """Widget values by name; the page saves a second value after seeds and video uploads."""
    known = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
    values, result = iter(node["widgets_values"]), {}
    for slot in node["inputs"]:
        if "widget" not in slot:
            continue
        name = slot["name"]
        result[name] = next(values)
        options = known[name][1] if name in known and len(known[name]) > 1 else {}
        if options.get("control_after_generate") or options.get("video_upload"):
            next(values)
        result |= _nested(name, result, options)
    return result


def _nested(name: str, chosen: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Defaults of inputs that newer ComfyUI nests under a menu's entry, such as `format.codec`."""
    for option in options.get("options") or []:
        if isinstance(option, dict) and option["key"] == chosen[name]:
            inputs = option["inputs"].get("required", {})
            nested = {f"{name}.{key}": default(spec) for key, spec in inputs.items()}
            for key, spec in inputs.items():
                nested |= _nested(f"{name}.{key}", nested, spec[1] if len(spec) > 1 else {})
            return nested
    return {}


def default(spec: list[Any]) -> Any:
    """Initial value of a widget, by its entry in /object_info."""
    options = spec[1] if len(spec) > 1 else {}
    entries = options.get("options") or spec[0]
    first = entries[0] if isinstance(entries, list) else None
    return options.get("default", first["key"] if isinstance(first, dict) else first)
