"""Saved workflows keep working: nodes, inputs and outputs are compared with their snapshot."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tools.object_info import SNAPSHOT, Nodes, breaks, describe


@pytest.fixture(scope="module")
def nodes(server) -> Nodes:
    return describe(server.get("/object_info"))


@pytest.fixture(scope="module")
def snapshot() -> Nodes:
    return json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_old_workflows_keep_working(nodes, snapshot):
    assert breaks(snapshot, nodes) == []


def test_the_snapshot_is_up_to_date(nodes, snapshot):
    assert nodes == snapshot, "if this is meant, renew the snapshot: python -m tools.object_info"


def _edit(node: str, part: str, index: int, /, **changes: Any) -> Callable[[Nodes], None]:
    return lambda nodes: nodes[node][part][index].update(changes)


def _append(node: str, part: str, /, **item: Any) -> Callable[[Nodes], None]:
    return lambda nodes: nodes[node][part].append(item)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n: n.pop("LGVI_Sampler"), "LGVI_Sampler is gone"),
        (lambda n: n["LGVI_Sampler"]["inputs"].pop(), "removed"),
        (lambda n: n["LGVI_Sampler"]["inputs"].reverse(), "reordered"),
        (lambda n: n["LGVI_Chat"]["outputs"].reverse(), "reordered"),
        (_edit("LGVI_Chat", "outputs", 0, name="answer"), "renamed"),
        (_edit("LGVI_Chat", "outputs", 0, type="IMAGE"), "type changed"),
        (_edit("LGVI_Chat", "inputs", 1, type="LATENT"), "type changed"),
        (_edit("LGVI_Chat", "inputs", 3, control_after_generate=False), "control_after_generate"),
        (_edit("LGVI_Chat", "inputs", -1, required=True), "no longer optional"),
        (_edit("LGVI_LoadModel", "inputs", 1, options=["auto"]), "fp16"),
        (_edit("LGVI_Composite", "inputs", 4, min=0), "narrower"),
        (_edit("LGVI_Composite", "inputs", 4, max=10), "narrower"),
        (_append("LGVI_Chat", "inputs", name="x", type="INT", required=True), "not optional"),
        (lambda n: n["LGVI_Chat"].update(output_node=False), "runs by itself"),
    ],
)
def test_what_breaks_workflows_is_noticed(snapshot, change, reason):
    changed = copy.deepcopy(snapshot)
    change(changed)
    assert reason in " ".join(breaks(snapshot, changed))


@pytest.mark.parametrize(
    "change",
    [
        _append("LGVI_Chat", "inputs", name="x", type="INT", required=False),
        _append("LGVI_Chat", "outputs", name="x", type="INT"),
        lambda nodes: nodes.update(LGVI_New={"inputs": [], "outputs": [], "output_node": False}),
        lambda nodes: nodes["LGVI_LoadModel"]["inputs"][1]["options"].append("fp4"),
        _edit("LGVI_Sampler", "inputs", 6, default=20),
    ],
)
def test_additions_break_nothing(snapshot, change):
    changed = copy.deepcopy(snapshot)
    change(changed)
    assert changed != snapshot
    assert breaks(snapshot, changed) == []
