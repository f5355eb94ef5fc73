"""Workflow files in the page's format, built from a server's descriptions of its nodes."""

from typing import Any, NamedTuple

from ..comfyui.workflow import WIDGET_TYPES, default
from .layout import arrange, view

WIDTH = 340
COLOURS = {"what": ("#232", "#353"), "nothing": ("#322", "#533")}
_SLOT, _WIDGET, _TEXT, _MARGIN = 20, 27, 80, 22


_GROWS = {
    "CreateVideo": 125,
    "GetVideoComponents": 125,
    "LGVI_BackgroundFromFrames": 245,
    "LGVI_Sampler": 500,
    "LGVI_VideoConditioning": 210,
}
"""Heights of nodes that show text or a preview once they run, or have more outputs in 0.33."""
_NOTE, _LINE, _LETTERS = 40, 19, 46  # of a note: margins, height of a line, letters in it


class Output(NamedTuple):
    """An output of a node in the graph, which an input of another node can take."""

    node: int
    slot: int
    type: str


class Node:
    """A node in the graph; `node["mask"]` or `node[1]` is one of its outputs."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry

    def __getitem__(self, key: str | int) -> Output:
        outputs = self.entry["outputs"]
        slot = key if isinstance(key, int) else [o["name"] for o in outputs].index(key)
        return Output(self.entry["id"], slot, outputs[slot]["type"])


class Graph:
    """A workflow under construction, whose nodes stand in columns in the order they were added."""

    def __init__(self, info: dict[str, Any], number: str) -> None:
        """Start a workflow; `info` is a server's /object_info, `number` is the workflow's id."""
        self.info, self.number = info, number
        self.nodes: list[dict[str, Any]] = []
        self.links: list[list[Any]] = []

    def add(
        self,
        kind: str,
        title: str = "",
        colour: str = "",
        at_least: int = 0,
        **inputs: Any,
    ) -> Node:
        """Add a node, at least `at_least` pixels high.

        `inputs` are outputs of other nodes or values of widgets; other widgets have their defaults.
        Raises KeyError for an input that the node does not have.
        """
        number = len(self.nodes) + 1
        slots, values = self._slots(kind, number, inputs)
        if inputs:
            raise KeyError(f"{kind} has no input {', '.join(inputs)}")
        info = self.info[kind]
        outputs = [
            {"localized_name": name, "name": name, "type": type_, "links": []}
            for name, type_ in zip(
                info.get("output_name") or info["output"], info["output"], strict=True
            )
        ]
        own = kind.startswith("LGVI")
        core = {"cnr_id": "comfy-core", "ver": info.get("since", "0.3.75")}
        pack = {"cnr_id": "lgvi"} if own else core
        properties = {"Node name for S&R": kind, **pack}
        widgets = [slot for slot in slots if "widget" in slot]
        texts = sum(self._options(kind, slot["name"]).get("multiline", False) for slot in widgets)
        plain = max(len(slots) - len(widgets), len(outputs))
        needed = _MARGIN + plain * _SLOT + len(widgets) * _WIDGET + texts * _TEXT
        entry = self._place(kind, max(at_least, needed, _GROWS.get(kind, 0)))
        entry |= {"inputs": slots, "outputs": outputs, "properties": properties}
        entry["widgets_values"] = values
        if title:
            entry["title"] = title
        if colour:
            entry["color"], entry["bgcolor"] = COLOURS[colour]
        return Node(entry)

    def note(self, text: str) -> None:
        """Add a note in Markdown, a node that exists only in the page, as high as its text."""
        lines = sum(1 + _width(line) // _LETTERS for line in text.split("\n"))
        entry = self._place("MarkdownNote", _NOTE + _LINE * lines)
        entry |= {"inputs": [], "outputs": [], "properties": {}, "widgets_values": [text]}
        entry["color"], entry["bgcolor"] = "#432", "#653"

    def workflow(self) -> dict[str, Any]:
        """Content of the workflow's file."""
        arrange(self.nodes)
        return {
            "id": self.number,
            "revision": 0,
            "last_node_id": len(self.nodes),
            "last_link_id": len(self.links),
            "nodes": self.nodes,
            "links": self.links,
            "groups": [],
            "config": {},
            "extra": {"ds": view(self.nodes)},
            "version": 0.4,
        }

    def _place(self, kind: str, height: int) -> dict[str, Any]:
        number = len(self.nodes) + 1
        entry: dict[str, Any] = {
            "id": number,
            "type": kind,
            "pos": [0, 0],
            "size": [WIDTH, height],
            "flags": {},
            "order": number - 1,
            "mode": 0,
        }
        self.nodes.append(entry)
        return entry

    def _slots(
        self, kind: str, number: int, inputs: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[Any]]:
        """Inputs and widget values of a node; removes what it uses from `inputs`."""
        sockets: list[tuple[str, list[Any], str]] = []
        widgets: list[tuple[str, list[Any], str]] = []
        for part in ("required", "optional"):
            for name, spec in self.info[kind]["input"].get(part, {}).items():
                forced = self._options(kind, name).get("forceInput")
                is_widget = _type(spec) in WIDGET_TYPES and not forced
                (widgets if is_widget else sockets).append((name, spec, part))
        slots: list[dict[str, Any]] = []
        values: list[Any] = []
        # The page lists the inputs of widgets last, and a subgraph's links refer to that order.
        for name, spec, part in (*sockets, *widgets):
            slot: dict[str, Any] = {"localized_name": name, "name": name}
            if part == "optional":
                slot["shape"] = 7
            slot["type"] = _type(spec)
            given = inputs.pop(name, None)
            is_linked = isinstance(given, Output)
            if len(slots) >= len(sockets):
                slot["widget"] = {"name": name}
                values.append(default(spec) if given is None or is_linked else given)
                options = self._options(kind, name)
                if options.get("control_after_generate"):
                    values.append("fixed")
                if options.get("video_upload") or options.get("image_upload"):
                    values.append("image")
            slot["link"] = (
                self._link(given, number, len(slots), slot["type"]) if is_linked else None
            )
            slots.append(slot)
        return slots, values

    def _link(self, source: Output, target: int, slot: int, type_: str) -> int:
        number = len(self.links) + 1
        self.links.append([number, source.node, source.slot, target, slot, type_])
        self._sent(source, number)
        return number

    def _sent(self, source: Output, number: int) -> None:
        self.nodes[source.node - 1]["outputs"][source.slot]["links"].append(number)

    def _options(self, kind: str, name: str) -> dict[str, Any]:
        parts = self.info[kind]["input"]
        spec = {**parts.get("required", {}), **parts.get("optional", {})}[name]
        return spec[1] if len(spec) > 1 else {}


def _type(spec: list[Any]) -> str:
    return "COMBO" if isinstance(spec[0], list) else spec[0]


def _width(text: str) -> int:
    """Letters that a line is as wide as: a Chinese one counts for two."""
    return sum(2 if ord(letter) > 0x2E80 else 1 for letter in text)
