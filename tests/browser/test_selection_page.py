"""The page of the selection in a real browser: keyboard, touch, languages, sizes."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from support.selection import selection, write_items
from tools.node_pictures import MILLISECONDS, OPTIONS, find_browser
from train.build.people.choices import Choices


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=find_browser(), args=OPTIONS)
        yield launched
        launched.close()


@pytest.fixture
def served(tmp_path):
    file = write_items(tmp_path, 5)
    with selection(file) as page:
        page.state = tmp_path / "state"
        yield page


@pytest.fixture
def opened(browser, served, request):
    """The page as somebody sees it; errors in its console fail the test."""
    context = browser.new_context(
        **{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"} | _options(request)
    )
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(f"{served.url}/?name=Ada")
    shows(page, 0)
    yield page
    if folder := os.environ.get("LGVI_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{request.node.name}.png")
    context.close()
    assert errors == []


def _options(request):
    marker = request.node.get_closest_marker("parametrize")
    return request.node.callspec.params.get("options", {}) if marker else {}


def shows(page, number):
    """Wait until item `number` is on the screen; keys pressed before that are ignored."""
    expect(page.locator("#expressions input")).to_have_value(f"the thing {number}")
    expect(page.locator("#tiles")).to_have_attribute("aria-busy", "false")
    expect(page.locator("figure canvas")).to_have_count(7)


def standing(served):
    choices = Choices(served.state)
    found = [(c.item, c.choice, c.expressions) for c in choices.standing()]
    choices.close()
    return found


def test_everything_goes_by_the_keyboard(opened, served):
    opened.keyboard.press("2")
    expect(opened.locator("#progress")).to_have_text("1 of 5 done, 1 by you")
    assert standing(served) == [("mine--c00000/1", "3", ("the thing 0",))]
    shows(opened, 1)
    opened.keyboard.press("0")
    expect(opened.locator("#progress")).to_have_text("2 of 5 done, 2 by you")
    assert standing(served)[1][1] == "none"
    shows(opened, 2)
    opened.keyboard.press("u")
    expect(opened.locator("#progress")).to_have_text("1 of 5 done, 1 by you")
    shows(opened, 1)
    opened.keyboard.press("e")
    opened.keyboard.press("ControlOrMeta+a")
    opened.keyboard.type("the cup 2")
    opened.keyboard.press("Enter")
    opened.keyboard.press("1")
    expect(opened.locator("#progress")).to_have_text("2 of 5 done, 2 by you")
    assert standing(served)[-1] == ("mine--c00001/1", "0", ("the cup 2",))
    shows(opened, 2)
    opened.keyboard.press("s")
    shows(opened, 3)
    opened.keyboard.press("l")
    expect(opened.locator("#none")).to_contain_text("都不合格")


def test_space_shows_the_source_while_it_is_held(opened):
    opened.keyboard.press("p")
    pixel = (
        "() => document.querySelectorAll('canvas')[1].getContext('2d')"
        ".getImageData(80, 45, 1, 1).data[0]"
    )
    without = opened.evaluate(pixel)
    opened.keyboard.down(" ")
    shown = opened.evaluate(pixel)
    opened.keyboard.up(" ")
    assert abs(shown - without) > 20
    assert opened.evaluate(pixel) == without
    before = opened.locator("#frame").input_value()
    opened.keyboard.press("ArrowRight")
    assert opened.locator("#frame").input_value() != before
    opened.keyboard.press("z")
    expect(opened.locator("#zoom")).to_have_attribute("aria-pressed", "true")


def test_all_candidates_show_the_same_frame(opened):
    """The source's frame i is brighter than frame i - 1, in every picture alike."""
    corners = opened.evaluate(
        "() => [...document.querySelectorAll('canvas')].map(c => "
        "c.getContext('2d').getImageData(5, 5, 1, 1).data[0])"
    )
    assert max(corners) - min(corners) <= 3


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 390, "height": 844}, "has_touch": True, "locale": "zh-CN"},
        {"viewport": {"width": 1024, "height": 768}, "has_touch": True, "color_scheme": "dark"},
    ],
    ids=["phone-chinese", "tablet-dark"],
)
def test_a_finger_is_enough_on_small_screens(opened, served, options):
    wide = opened.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert wide, "the page scrolls sideways"
    small = opened.evaluate(
        "() => [...document.querySelectorAll('button')].filter(b => b.offsetParent && "
        "b.offsetHeight < 36).map(b => b.textContent)"
    )
    assert small == []
    opened.locator("figure[data-tile='1'] button").tap()
    shows(opened, 1)
    assert standing(served)[0][1] == "3"
    opened.locator("#undo").tap()
    shows(opened, 0)


def test_a_server_that_is_gone_is_told_and_nothing_is_pretended(browser, served):
    page = browser.new_page()
    page.goto(f"{served.url}/?name=Ada")
    shows(page, 0)
    served.kill()
    page.keyboard.press("1")
    expect(page.locator("#message")).to_contain_text("does not answer")
    shows(page, 0)
    page.close()
