"""Where the nodes of a workflow stand: columns that fit a page and can be read."""

from typing import Any

GAP, TITLE = 40, 30
PAGE = (1490, 710)
"""Width and height in pixels of what a page of 1600 x 900 leaves for the graph."""
MARGIN = (80, 165)
"""Pixels of the page left of and above the graph, where the page has its own bars."""


def arrange(nodes: list[dict[str, Any]]) -> None:
    """Place nodes of one workflow in columns, in their order, as large on a page as they can be.

    Every node has its `size`; their `pos` is set, and widths become those of their columns.
    """
    heights = [node["size"][1] + TITLE for node in nodes]
    rooms = {_height(heights[i:j]) for i in range(len(nodes)) for j in range(i + 1, len(nodes) + 1)}
    fitting = [_columns(heights, room) for room in sorted(rooms) if room >= max(heights)]
    columns = max(fitting, key=lambda found: _scale(*_extent(nodes, heights, found)))
    x = 0
    for column in columns:
        y, width = TITLE, max(nodes[i]["size"][0] for i in column)
        for i in column:
            nodes[i]["pos"], nodes[i]["size"][0] = [x, y], width
            y += heights[i] + GAP
        x += width + GAP


def view(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the view of the whole workflow with which a page opens it."""
    right = max(node["pos"][0] + node["size"][0] for node in nodes)
    bottom = max(node["pos"][1] + node["size"][1] for node in nodes)
    scale = round(_scale(right, bottom), 3)
    return {"scale": scale, "offset": [round(margin / scale) for margin in MARGIN]}


def _columns(heights: list[int], room: int) -> list[list[int]]:
    """Fill columns of at most `room` pixels one after the other."""
    columns: list[list[int]] = [[]]
    for i in range(len(heights)):
        if columns[-1] and _height([heights[k] for k in (*columns[-1], i)]) > room:
            columns.append([])
        columns[-1].append(i)
    return columns


def _height(heights: list[int]) -> int:
    return sum(heights) + GAP * (len(heights) - 1)


def _extent(
    nodes: list[dict[str, Any]], heights: list[int], columns: list[list[int]]
) -> tuple[int, int]:
    """Width and height of the whole in pixels."""
    widths = [max(nodes[i]["size"][0] for i in column) for column in columns]
    height = max(_height([heights[i] for i in column]) for column in columns)
    return sum(widths) + GAP * (len(widths) - 1), height


def _scale(width: float, height: float) -> float:
    """How large the page can show the whole, 1 at most."""
    return min(1.0, PAGE[0] / width, PAGE[1] / height)
