"""The pack in the real frontend, in a headless Chromium or Chrome, as artists see it.

The environment variable LGVI_SCREENSHOTS names a folder for screenshots at the end of every test.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as TooSlow

from support.graphs import CLIP, NODES, WORKFLOWS, chat_graph, graph, node
from tools.comfyui.server import PACK_NAME, Prompt
from tools.comfyui.workflow import load_workflow
from tools.node_pictures import MILLISECONDS, OPTIONS, SETTINGS, find_browser
from tools.sam3_nodes import NAMES as SAM3_NODES
from tools.workflows.by_mask import SAM3
from tools.workflows.parts import CLIPS
from tools.workflows.titles import TITLES

FRONTENDS_OWN = (
    r"/userdata",  # the user has no saved workflows, subgraphs, templates or style sheet
    r"/user\.css",
    r"https://api\.comfy\.org/",  # releases and the registry, where there is no network
    r"https://huggingface\.co/",  # the size of a model that is missing, where there is no network
    r"Error fetching file size",
    r"/docs/\w+/en\.md",  # localised help, which it looks for before the page that exists
    # The page reports this about its first empty workflow, before one of the pack's is opened.
    r"Cannot read properties of undefined \(reading 'id'\)\s+at onChange",
)
"""Errors in the console that any workflow causes: regular expressions of text and address."""

READY = f"""() => window.app?.graph
    && {list(NODES)}.every(id => id in LiteGraph.registered_node_types)"""
ACTIVE = "() => window.app.extensionManager.workflow.activeWorkflow?.path ?? ''"
UNKNOWN = """() => window.app.graph.nodes
    .filter(n => !(n.type in LiteGraph.registered_node_types)).map(n => n.type)"""
MISSING = """() => window.app.graph.nodes
    .filter(n => n.has_errors || !(n.type in LiteGraph.registered_node_types))
    .map(n => n.type)"""
# The canvas outlines nodes with errors where these functions of the frontend say so.
MARKED = """() => window.app.graph.nodes
    .filter(n => n.has_errors || Object.entries(n.strokeStyles ?? {})
        .some(([kind, style]) => kind.endsWith('Error') && style.call(n)))
    .map(n => n.type)"""
WATCH = """() => {
    const watched = window.watched = {progress: [], previews: [], ended: []}
    const end = event => watched.ended.push(event.type)
    for (const kind of ['execution_success', 'execution_error'])
        window.app.api.addEventListener(kind, end, {once: true})
    window.app.api.addEventListener('progress', ({detail}) => setTimeout(() =>
        watched.progress.push(window.app.graph.getNodeById(detail.node)?.progress)))
    const look = () => {
        const node = window.app.graph.nodes.find(n => n.type === 'LGVI_Sampler')
        for (const img of node?.imgs ?? []) watched.previews.push(img.naturalWidth)
        if (!watched.ended.length) requestAnimationFrame(look)
    }
    look()
}"""
WITH_SAM3 = TITLES["real_footage_words"]
BLUEPRINT = "Remove object (LGVI)"
CENTRE = """type => {
    const {canvas, graph} = window.app
    const node = graph.nodes.find(n => n.type === type)
    const {left, top} = canvas.canvas.getBoundingClientRect()
    canvas.ds.scale = 1
    canvas.ds.offset = [500 - left - node.pos[0], 350 - top - node.pos[1]]
    canvas.setDirty(true, true)
}"""
ALONE = """type => {
    window.app.graph.clear()
    window.app.graph.add(window.LiteGraph.createNode(type))
}"""
TITLE_IN_CENTRE = (560, 338)


class Frontend:
    """A browser page in which ComfyUI is open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", lambda m: m.type == "error" and self._note(m.text, m.location["url"]))
        page.on("pageerror", lambda error: self._note(str(error), ""))

    def open_template(self, name: str) -> None:
        """Open one of the pack's workflows from the template browser."""
        # Some frontends open a workflow of the same name in the tab that is already open.
        self.page.evaluate("window.app.graph.clear()")
        opened = f"name => ({ACTIVE})().includes(name) && window.app.graph.nodes.length > 0"
        # On a busy machine the page loses a click now and then; a person would click again.
        for patience in (40_000, 80_000, None):
            self.show_templates()
            self.card(name).click()
            try:
                self.page.wait_for_function(opened, arg=name, timeout=patience)
                break
            except TooSlow:
                if patience is None:
                    raise
                self.page.keyboard.press("Escape")
        self.fit()

    def show_templates(self) -> None:
        self.command("Comfy.BrowseTemplates")
        self.page.get_by_text(PACK_NAME, exact=True).first.click()

    def card(self, name: str) -> Any:
        return self.page.get_by_test_id(f"template-workflow-{name}")

    def open_prompt(self, prompt: Prompt, name: str) -> None:
        """Open a prompt in the API format, whose node ids are names."""
        self.page.evaluate(
            "([prompt, name]) => window.app.loadApiJson(prompt, name)", [numbered(prompt), name]
        )
        self.fit()

    def set(self, kind: str, widget: str, value: Any) -> None:
        self.page.evaluate(
            """([type, name, value]) => {
                const node = window.app.graph.nodes.find(n => n.type === type)
                node.widgets.find(w => w.name === name).value = value
            }""",
            [kind, widget, value],
        )

    def run(self) -> None:
        self.page.get_by_test_id("queue-button").click()

    def run_to_the_end(self) -> dict[str, Any]:
        """Run the workflow; return the progress and previews that were shown, and how it ended."""
        self.page.evaluate(WATCH)
        self.run()
        self.page.wait_for_function("window.watched.ended.length > 0")
        return self.page.evaluate("window.watched")

    def expect_reason(self, text: str) -> None:
        """Expect the text of an error, which newer frontends show behind up to two buttons."""
        reason = self.page.get_by_text(text).first
        for button in (
            self.page.get_by_test_id("error-overlay-see-errors"),
            self.page.get_by_role("button", name=re.compile("^Info for ")),
        ):
            expect(reason.or_(button).first).to_be_visible(timeout=MILLISECONDS)
            if not reason.is_visible():
                button.first.click()
        expect(reason).to_be_visible(timeout=MILLISECONDS)

    def close_dialogs(self) -> None:
        """Close all dialogs, of which one may hide another."""
        dialogs = self.page.locator(".p-dialog-mask")
        while count := dialogs.count():
            dialogs.get_by_label("Close").last.click()
            expect(dialogs).to_have_count(count - 1, timeout=MILLISECONDS)

    def fit(self) -> None:
        self.command("Comfy.Canvas.FitView")
        self.page.wait_for_timeout(700)  # the view moves to its new place

    def command(self, name: str) -> None:
        self.page.evaluate(f"window.app.extensionManager.command.execute({name!r})")

    def _note(self, text: str, address: str) -> None:
        line = f"{text} {address}"
        if not any(re.search(own, line) for own in FRONTENDS_OWN):
            self.errors.append(line)


def numbered(prompt: Prompt) -> Prompt:
    """The prompt with numbers as node ids in place of names, as the page's graph requires."""
    ids = {name: str(i) for i, name in enumerate(prompt, 1)}

    def value(given: Any) -> Any:
        return [ids[given[0]], given[1]] if isinstance(given, list) else given

    return {
        ids[name]: {
            "class_type": part["class_type"],
            "inputs": {key: value(given) for key, given in part["inputs"].items()},
        }
        for name, part in prompt.items()
    }


@pytest.fixture(scope="module")
def opened(server) -> Iterator[Frontend]:
    """A page that is opened once for all tests."""
    try:
        browser_path = find_browser()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(MILLISECONDS)
        server.post("/settings", SETTINGS)
        frontend = Frontend(page)
        page.goto(server.url)
        page.wait_for_function(READY)
        page.wait_for_timeout(2000)  # dialogs for new users open late
        yield frontend
        browser.close()


@pytest.fixture
def frontend(opened, request, tmp_path) -> Iterator[Frontend]:
    """The page, with dialogs of earlier tests closed and their errors forgotten."""
    opened.page.keyboard.press("Escape")
    opened.errors.clear()
    yield opened
    folder = Path(os.environ.get("LGVI_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=folder / f"{request.node.name}.png")


def test_the_template_browser_lists_the_workflows_with_thumbnails(frontend):
    frontend.show_templates()
    cards = frontend.page.locator("[data-testid^=template-workflow-]")
    expect(cards).to_have_count(len(WORKFLOWS), timeout=MILLISECONDS)
    for path in WORKFLOWS:
        frontend.card(path.stem).scroll_into_view_if_needed()  # pictures load only in view
        picture = frontend.card(path.stem).locator("img").first.element_handle()
        frontend.page.wait_for_function("img => img.naturalWidth > 100", arg=picture)


@pytest.mark.parametrize(
    "path", [path for path in WORKFLOWS if path.stem != WITH_SAM3], ids=lambda path: path.stem
)
def test_a_template_opens_whole_and_without_errors(frontend, path):
    frontend.open_template(path.stem)
    wanted = sorted(part["type"] for part in load_workflow(path)["nodes"])
    assert sorted(frontend.page.evaluate("window.app.graph.nodes.map(n => n.type)")) == wanted
    assert frontend.page.evaluate(MISSING) == []
    assert frontend.errors == []


def test_the_template_with_sam3_opens_and_names_what_is_missing(frontend, server):
    """Its weights, which the page offers to download; its nodes only where ComfyUI is too old."""
    missing = set(SAM3_NODES) - set(server.get("/object_info"))
    frontend.open_template(WITH_SAM3)
    assert set(frontend.page.evaluate(UNKNOWN)) == missing
    for name in (SAM3["name"], *missing):
        shown = frontend.page.get_by_text(name).locator("visible=true")
        expect(shown.first).to_be_visible(timeout=MILLISECONDS)
    frontend.close_dialogs()
    assert frontend.errors == []


def test_a_run_shows_progress_and_the_result(frontend):
    frontend.open_template(TITLES["remove_object"])
    frontend.set("LGVI_Sampler", "steps", 3)
    seen = frontend.run_to_the_end()
    assert seen["ended"] == ["execution_success"]
    assert any(0 < (value or 0) < 1 for value in seen["progress"]), seen
    assert any(seen["previews"]), "no live preview on the sampling node"
    # This is Save Video's own preview, in the size of the source.
    frontend.page.wait_for_function(
        """() => window.app.graph.nodes.filter(n => n.type === 'SaveVideo')
            .every(n => n.videoContainer?.querySelector('video')?.videoWidth === 320)"""
    )
    # One player on Mask Preview, and not a picture for each frame.
    frontend.page.wait_for_function(
        """() => window.app.graph.nodes.find(n => n.type === 'LGVI_MaskPreview')
            .videoContainer?.querySelector('video')?.videoWidth === 320"""
    )
    chosen = "window.app.graph.nodes.find(n => n.type === 'LoadVideo').widgets[0].value"
    assert CLIP.name in frontend.page.evaluate(chosen)
    assert frontend.errors == []


def test_every_run_of_the_folder_takes_the_next_clip(frontend):
    frontend.open_template(TITLES["batch_folder"])
    frontend.set("LGVI_RemoveFromVideo", "steps", 1)
    assert frontend.run_to_the_end()["ended"] == ["execution_success"]
    values = frontend.page.evaluate(
        """() => window.app.graph.nodes.find(n => n.type === 'LGVI_VideoFromFolder')
            .widgets.map(w => w.value)"""
    )
    assert values[:3] == [CLIPS, 1, "increment"]  # further values are shown by the node
    assert frontend.errors == []


def test_a_model_that_is_not_there_is_marked_at_its_node(frontend):
    frontend.open_template(TITLES["remove_object"])
    frontend.set("LGVI_LoadModel", "model", "nothing of that name")
    frontend.run()
    frontend.expect_reason("LGVI model 'nothing of that name' is not there")
    assert frontend.page.evaluate(MARKED) == ["LGVI_LoadModel"]


def test_a_mask_of_another_size_is_marked_at_its_node(frontend):
    prompt = graph(frames=2, steps=1, mask=["odd", 0])
    prompt["odd"] = node("SolidMask", value=1.0, width=100, height=50)
    frontend.open_prompt(prompt, "wrong_mask")
    frontend.run()
    frontend.expect_reason("mask is 100 x 50 pixels, the frames are 320 x 192")
    assert frontend.page.evaluate(MARKED) == ["LGVI_Composite"]


def test_the_chat_shows_its_reply_on_the_node(frontend):
    frontend.open_prompt(chat_graph(), "chat")
    assert frontend.run_to_the_end()["ended"] == ["execution_success"]
    frontend.fit()
    shown = frontend.page.get_by_text("raise the maximum length")
    expect(shown.first).to_be_visible(timeout=MILLISECONDS)
    assert frontend.errors == []


def test_the_blueprint_is_found_and_is_one_node_that_runs(frontend, server):
    frontend.page.evaluate("window.app.graph.clear()")
    frontend.page.mouse.dblclick(640, 400)
    frontend.page.keyboard.type(BLUEPRINT)
    frontend.page.wait_for_timeout(1000)  # the search takes time
    frontend.page.keyboard.press("Enter")
    frontend.page.wait_for_function("window.app.graph.nodes.length === 1")
    frontend.fit()
    (widgets,) = frontend.page.evaluate(
        "window.app.graph.nodes.map(n => n.widgets.map(w => w.name))"
    )
    assert {"text", "model", "working_size", "seed", "steps", "grow"} <= set(widgets)
    frontend.page.evaluate(
        """() => {
            const {widgets} = window.app.graph.nodes[0]
            widgets.find(w => w.name === 'text').value = 'remove the red star'
            widgets.find(w => w.name === 'steps').value = 2
        }"""
    )
    prompt = frontend.page.evaluate("async () => (await window.app.graphToPrompt()).output")
    inside = {part["class_type"]: name for name, part in prompt.items()}
    assert prompt[inside["LGVI_Sampler"]]["inputs"]["steps"] == 2
    texts = [x["inputs"]["text"] for x in prompt.values() if x["class_type"] == "CLIPTextEncode"]
    assert sorted(texts) == ["", "remove the red star"]
    outside = graph(frames=2)
    prompt |= {name: outside[name] for name in ("video", "parts", "frames")}
    prompt[inside["LGVI_VideoConditioning"]]["inputs"]["frames"] = ["frames", 0]
    prompt[inside["LGVI_Composite"]]["inputs"]["source"] = ["frames", 0]
    prompt["show"] = node("PreviewImage", images=[inside["LGVI_Composite"], 0])
    assert len(server.run(prompt)["show"]["images"]) == 2
    assert frontend.errors == []


@pytest.mark.parametrize(("kind", "title"), NODES.items(), ids=list(NODES))
def test_a_help_page_opens_with_its_picture(frontend, kind, title):
    frontend.page.evaluate(ALONE, kind)
    frontend.page.evaluate(CENTRE, kind)
    frontend.page.wait_for_timeout(300)
    frontend.page.mouse.click(*TITLE_IN_CENTRE)
    frontend.page.get_by_test_id("info-button").click()
    text = frontend.page.locator(".node-help-content")
    heading = text.get_by_role("heading", level=1, name=title, exact=True)
    expect(heading).to_be_visible(timeout=MILLISECONDS)
    expect(text.get_by_role("heading", name="Common problems")).to_be_visible()
    picture = text.locator(f"img[src$='{kind}.png']").element_handle()
    frontend.page.wait_for_function("img => img.naturalWidth > 300", arg=picture)
    assert frontend.errors == []
