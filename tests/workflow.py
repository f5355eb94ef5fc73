"""Saved workflows as prompts for ComfyUI's HTTP API."""

import json
from pathlib import Path
from typing import Any

from comfy_server import Prompt

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def load_workflow(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def to_prompt(workflow: dict[str, Any], object_info: dict[str, Any]) -> Prompt:
    """What the page would send for ``workflow``: links and widget values by input name.

    Raises KeyError where a node of the workflow is not installed.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt: Prompt = {}
    for node in workflow["nodes"]:
        inputs = _widgets(node, object_info[node["type"]])
        for slot in node["inputs"]:
            if slot["link"] is not None:
                inputs[slot["name"]] = sources[slot["link"]]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _widgets(node: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """Widget values by name. The page stores a second value after seeds and file uploads."""
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
    return result
