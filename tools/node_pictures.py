"""Take the pictures of the nodes' help pages in the real frontend.

    COMFYUI_PATH=... python -m tools.node_pictures [NODE ...]

All pictures are renewed where no node id is given. This needs Chromium or Chrome.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright

from .comfyui.server import ComfyServer, running_server
from .paths import ROOT

FOLDER = ROOT / "web" / "docs" / "pictures"
MAX_BYTES = 60_000
MARGIN = 14
SCALE = 1.5
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SETTINGS = {
    "Comfy.Locale": "en",
    "Comfy.NodeBadge.NodeSourceBadgeMode": "None",
    "Comfy.TutorialCompleted": True,
}
# A server that was just started on a busy machine answers slowly.
MILLISECONDS = 180_000

SHOW_NODE = """async ([id, margin, scale]) => {
    const app = window.app
    // Not clear(): it would give the next node the same id, and newer pages remember values by id.
    for (const old of [...app.graph.nodes]) app.graph.remove(old)
    const node = window.LiteGraph.createNode(id)
    app.graph.add(node)
    const [width, height] = node.computeSize()
    node.setSize([Math.max(340, width), Math.max(node.size[1], height)])
    node.pos = [0, 0]
    const title = window.LiteGraph.NODE_TITLE_HEIGHT
    app.canvas.ds.scale = scale
    app.canvas.ds.offset = [(200 + margin) / scale, (250 + margin) / scale + title]
    app.canvas.deselectAll?.()
    app.canvas.setDirty(true, true)
    return [node.size[0] * scale + 2 * margin, (node.size[1] + title) * scale + 2 * margin]
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("nodes", nargs="*", help="node ids; all of this pack's where none is given")
    wanted = parser.parse_args().nodes
    with tempfile.TemporaryDirectory() as base, running_server(Path(base)) as server:
        ours = [name for name in server.get("/object_info") if name.startswith("LGVI_")]
        take_pictures(server, wanted or ours, FOLDER)


def take_pictures(server: ComfyServer, nodes: list[str], folder: Path) -> None:
    """Write `folder`/<node>.png for each node as the page draws it.

    Raises ValueError where a picture has more than MAX_BYTES.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=OPTIONS)
        page = browser.new_page(viewport={"width": 1280, "height": 1500})
        page.set_default_timeout(MILLISECONDS)
        server.post("/settings", SETTINGS)
        page.goto(server.url)
        page.wait_for_function(
            "!!window.app?.graph && 'LGVI_Chat' in LiteGraph.registered_node_types"
        )
        _hide_what_covers_the_graph(page)
        for node in nodes:
            content = picture(page, node)
            if len(content) > MAX_BYTES:
                raise ValueError(f"the picture of {node} has {len(content)} bytes")
            (folder / f"{node}.png").write_bytes(content)
        browser.close()


def picture(page: Page, node: str) -> bytes:
    """Content of a PNG file of one node, with a margin."""
    width, height = page.evaluate(SHOW_NODE, [node, MARGIN, SCALE])
    page.wait_for_timeout(2000)
    clip: FloatRect = {"x": 200, "y": 250, "width": width, "height": height}
    shot = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    buffer = io.BytesIO()
    shot.quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def find_browser() -> str:
    """Path of an installed Chromium or Chrome; raises FileNotFoundError where there is none."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(f"no browser: install one of {', '.join(BROWSERS)}")


def _hide_what_covers_the_graph(page: Page) -> None:
    page.wait_for_timeout(3000)
    page.keyboard.press("Escape")
    page.add_style_tag(content=".p-toast, .p-dialog-mask, .graph-canvas-menu {display: none}")


if __name__ == "__main__":
    main()
