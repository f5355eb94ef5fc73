"""Subgraph blueprints in the page's format: nodes behind the inputs and outputs of one node."""

import uuid
from typing import Any

from ..comfyui.workflow import WIDGET_TYPES
from ..workflows.graph import Graph, Output
from ..workflows.layout import arrange

_INPUTS, _OUTPUTS = -10, -20  # ids that the page gives to the two ends of a subgraph
_CATEGORY = "Video generation and editing/Inpaint video"
_SLOT, _END_WIDTH, _FRAME = 20, 130, 40


class Blueprint(Graph):
    """A graph with inputs and outputs of its own.

    Call `input` before adding the nodes that take it, and `output` after adding all nodes.
    """

    description = ""
    """What the page says of it."""
    aliases: tuple[str, ...] = ()
    """Other words by which the page finds it."""

    def __init__(self, info: dict[str, Any], name: str) -> None:
        """Start a blueprint; `info` is a server's /object_info, `name` is shown in the page."""
        self.base = uuid.uuid5(uuid.NAMESPACE_URL, f"comfyui-lgvi/{name}")
        super().__init__(info, str(self.base))
        self.name = name
        self.inputs: list[dict[str, Any]] = []
        self.outputs: list[dict[str, Any]] = []
        self.values: list[Any] = []

    def input(self, name: str, type_: str, value: Any = None) -> Output:
        """Add an input; one of a widget's type shows the widget with the initial `value`."""
        self.inputs.append(self._end(name, type_))
        if type_ in WIDGET_TYPES:
            self.values.append(value)
        return Output(_INPUTS, len(self.inputs) - 1, type_)

    def output(self, name: str, source: Output) -> None:
        """Add an output that passes on `source`."""
        self.outputs.append(self._end(name, source.type))
        number = self._link(source, _OUTPUTS, len(self.outputs) - 1, source.type)
        self.outputs[-1]["linkIds"].append(number)

    def workflow(self) -> dict[str, Any]:
        """Content of the blueprint's file: one node and the subgraph inside it."""
        arrange(self.nodes)
        right = max(node["pos"][0] + node["size"][0] for node in self.nodes)
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        inside = {
            "id": self.number,
            "version": 1,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": len(self.nodes),
                "lastLinkId": len(self.links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": self.name,
            "category": _CATEGORY,
            "description": self.description,
            "inputNode": self._end_node(_INPUTS, -_END_WIDTH - 100, self.inputs),
            "outputNode": self._end_node(_OUTPUTS, right + 100, self.outputs),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "widgets": [],
            "nodes": self.nodes,
            "groups": [],
            "links": [dict(zip(keys, link, strict=True)) for link in self.links],
            "extra": {},
        }
        return {
            "id": str(uuid.uuid5(self.base, "file")),
            "revision": 0,
            "last_node_id": 1,
            "last_link_id": 0,
            "nodes": [self._outside()],
            "links": [],
            "groups": [],
            "config": {},
            "extra": {
                "BlueprintDescription": self.description,
                "BlueprintSearchAliases": list(self.aliases),
            },
            "version": 0.4,
            "definitions": {"subgraphs": [inside]},
        }

    def _outside(self) -> dict[str, Any]:
        slots = []
        for end in self.inputs:
            slot = {"name": end["name"], "type": end["type"], "link": None}
            if end["type"] in WIDGET_TYPES:
                slot["widget"] = {"name": end["name"]}
            slots.append(slot)
        outputs = [{"name": x["name"], "type": x["type"], "links": None} for x in self.outputs]
        return {
            "id": 1,
            "type": self.number,
            "pos": [0, 0],
            "size": [360, 120 + 24 * len(slots)],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": slots,
            "outputs": outputs,
            "title": self.name,
            "properties": {"cnr_id": "lgvi"},
            "widgets_values": self.values,
        }

    def _end(self, name: str, type_: str) -> dict[str, Any]:
        number = str(uuid.uuid5(self.base, f"{len(self.inputs)}.{len(self.outputs)} {name}"))
        return {"id": number, "name": name, "type": type_, "linkIds": [], "pos": [0, 0]}

    def _end_node(self, number: int, x: int, ends: list[dict[str, Any]]) -> dict[str, Any]:
        for row, end in enumerate(ends):
            end["pos"] = [x + _END_WIDTH - 20, _FRAME // 2 + _SLOT * row]
        return {"id": number, "bounding": [x, 0, _END_WIDTH, _FRAME + _SLOT * len(ends)]}

    def _sent(self, source: Output, number: int) -> None:
        if source.node == _INPUTS:
            self.inputs[source.slot]["linkIds"].append(number)
        else:
            super()._sent(source, number)
