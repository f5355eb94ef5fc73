"""Renew the descriptions of ComfyUI's SAM 3 nodes, which our oldest ComfyUI does not have.

    COMFYUI_PATH=... python -m tools.sam3_nodes

COMFYUI_PATH must name ComfyUI 0.20.0 or later, the first with these nodes. The descriptions go to
tools/sam3_nodes.json, from which workflows with them are made and tested on any ComfyUI.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from .comfyui.server import Prompt, running_server
from .object_info import SHAPE

SNAPSHOT = Path(__file__).with_suffix(".json")
SINCE = "0.20.0"
"""The first ComfyUI with these nodes; the page names it where they are missing."""
NAMES = ("SAM3_VideoTrack", "SAM3_TrackToMask")
Info = dict[str, Any]
"""Descriptions by node id, as a server answers to /object_info."""


def with_sam3(info: Info) -> Info:
    """Add the SAM 3 nodes to a server's /object_info; those that it has itself are replaced."""
    return info | json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def describe(info: Info) -> Info:
    """Return of each SAM 3 node in `info` what a workflow depends on, without its texts.

    Raises KeyError where `info` has no such nodes.
    """
    return {
        name: {
            "input": {
                part: {key: _shape(spec) for key, spec in inputs.items()}
                for part, inputs in info[name]["input"].items()
            },
            "output": info[name]["output"],
            "output_name": info[name]["output_name"],
            "since": SINCE,
        }
        for name in NAMES
    }


def without_sam3(prompt: Prompt) -> Prompt:
    """Return a prompt that runs without SAM 3: a mask by colour stands in for that of its words.

    What is much redder than green is masked. A prompt without SAM 3 nodes comes back as it is.
    """
    kinds = {part["class_type"]: name for name, part in prompt.items()}
    if NAMES[0] not in kinds:
        return prompt
    track, mask = (kinds[name] for name in NAMES)
    frames = prompt[track]["inputs"]["images"]
    unused = {track, *(prompt[track]["inputs"][key][0] for key in ("model", "conditioning"))}
    kept = {name: part for name, part in prompt.items() if name not in unused}
    for channel in ("red", "green"):
        kept[channel] = _node("ImageToMask", image=frames, channel=channel)
    place = {"x": 0, "y": 0, "operation": "subtract"}
    kept["redder"] = _node("MaskComposite", destination=["red", 0], source=["green", 0], **place)
    kept[mask] = _node("ThresholdMask", mask=["redder", 0], value=0.3)
    return kept


def renew() -> int:
    """Write the descriptions; return the exit code."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        info = server.get("/object_info")
        version = server.get("/system_stats")["system"]["comfyui_version"]
    if missing := [name for name in NAMES if name not in info]:
        gone = ", ".join(missing)
        print(f"ComfyUI {version} has no {gone}: {SINCE} or later is needed", file=sys.stderr)
        return 1
    SNAPSHOT.write_text(json.dumps(describe(info), indent=1) + "\n", encoding="utf-8")
    return 0


def _shape(spec: list[Any]) -> list[Any]:
    options = spec[1] if len(spec) > 1 else {}
    return [spec[0], {key: options[key] for key in SHAPE if options.get(key) is not None}]


def _node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


if __name__ == "__main__":
    sys.exit(renew())
