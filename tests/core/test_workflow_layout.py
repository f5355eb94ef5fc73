"""The templates' nodes: none lies on another, and the whole is readable on a page of 1600 x 900."""

from itertools import combinations

import pytest

from support.graphs import WORKFLOWS
from tools.comfyui.workflow import load_workflow
from tools.workflows.designs import DESIGNS
from tools.workflows.layout import GAP, TITLE, arrange
from tools.workflows.titles import TITLES

READABLE = 0.55


def test_every_design_has_a_title_and_every_title_a_file():
    assert set(TITLES) == set(DESIGNS)
    assert sorted(TITLES.values()) == [path.stem for path in WORKFLOWS]
    assert list(TITLES.values()) == sorted(TITLES.values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_node_lies_on_another_and_all_can_be_read(path):
    workflow = load_workflow(path)
    places = [(*node["pos"], *node["size"]) for node in workflow["nodes"]]
    for (x, y, width, height), (u, v, wide, high) in combinations(places, 2):
        beside = x + width + GAP <= u or u + wide + GAP <= x
        below = y + height + GAP + TITLE <= v or v + high + GAP + TITLE <= y
        assert beside or below
    assert workflow["extra"]["ds"]["scale"] >= READABLE


def test_columns_are_filled_in_the_nodes_order():
    nodes = [{"size": [300, height]} for height in (100, 100, 700, 100)]
    arrange(nodes)
    order = [(node["pos"][0], node["pos"][1]) for node in nodes]
    assert order == sorted(order)
    assert len({x for x, _ in order}) == 3
