"""Help pages: every node has one, complete and with a picture, where the frontend looks for it."""

import io
import re
from typing import Any

import pytest
from PIL import Image

from tools.comfyui.server import PACK_NAME
from tools.paths import ROOT

DOCS = ROOT / "web" / "docs"
PAGES = sorted(DOCS.glob("*.md"))
PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)]+)\)")
MAX_PICTURE_BYTES = 60_000


@pytest.fixture(scope="module")
def nodes(server) -> dict[str, Any]:
    info = server.get("/object_info")
    return {name: info[name] for name in info if name.startswith("LGVI_")}


def section(text: str, title: str) -> str:
    """Text below a heading of level 2."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def items(text: str) -> list[str]:
    """Names with which the items of the list in `text` begin."""
    return re.findall(r"^- `(\w+)`: ", text, re.M)


def test_every_node_has_a_page_and_every_page_a_node(nodes):
    assert {page.stem for page in PAGES} == set(nodes)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_tells_of_every_input_and_output(nodes, page):
    text, info = page.read_text(encoding="utf-8"), nodes[page.stem]
    inputs = [*info["input"].get("required", {}), *info["input"].get("optional", {})]
    # The panel that shows the page is too narrow for tables.
    assert "\n|" not in text
    assert text.startswith(f"# {info['display_name']}\n")
    assert sorted(items(section(text, "Inputs"))) == sorted(inputs)
    assert items(section(text, "Outputs")) == info["output_name"]
    assert section(text, "Common problems").count("\n- **") >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_chinese_page_lists_the_same_inputs_and_outputs(server, page):
    """Newer and older pages look for NODE/zh.md first, and take NODE.md where it is missing."""
    name = page.stem
    text = server.read(f"/extensions/{PACK_NAME}/docs/{name}/zh.md").decode()
    english = page.read_text(encoding="utf-8")
    for title, chinese in (("Inputs", "输入"), ("Outputs", "输出")):
        listed = re.findall(r"^- `(\w+)`", section(text, chinese), re.M)
        assert [x for x in listed if x in items(section(english, title))] == items(
            section(english, title)
        )
    assert section(text, "常见问题").count("\n- **") >= 3
    ((_, source),) = PICTURE.findall(text)
    assert (DOCS / source).is_file()
    assert "\n|" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_and_its_picture_are_served(server, page):
    base = f"/extensions/{PACK_NAME}/docs"
    text = page.read_text(encoding="utf-8")
    assert server.read(f"{base}/{page.name}").decode() == text
    ((title, source),) = PICTURE.findall(text)
    assert title == f"The node {text.splitlines()[0].removeprefix('# ')}"
    # The frontend puts its base before relative names only.
    content = server.read(f"{base}/{source}")
    assert len(content) <= MAX_PICTURE_BYTES
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.width >= 300
        assert len(picture.convert("L").getcolors()) > 8, "more than an empty background"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_other_nodes_are_called_by_their_names(nodes, page):
    names = {info["display_name"] for info in nodes.values()} | {"LGVI"}
    text = " ".join(page.read_text(encoding="utf-8").split("\n", 1)[1].split())
    called = re.findall(r"(?:Load )?LGVI(?: [A-Z][a-z]+)*", text)
    assert set(called) <= names


def test_no_picture_is_left_over():
    shown = {source for page in PAGES for _, source in PICTURE.findall(page.read_text("utf-8"))}
    assert shown == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.png")}
