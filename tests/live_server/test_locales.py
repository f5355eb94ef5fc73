"""Texts in `locales`: every language is complete, and English equals the nodes' own texts."""

import json
import re
from typing import Any

import pytest

from tools.locales import LOCALES, Texts, english, english_main

LANGUAGES = ("en", "zh")


def leaves(texts: Texts, path: str = "") -> dict[str, Any]:
    """Texts by their path, such as /LGVI_Chat/description."""
    found = {}
    for key, value in texts.items():
        here = f"{path}/{key}"
        found |= leaves(value, here) if isinstance(value, dict) else {here: value}
    return found


def read(language: str, name: str) -> Texts:
    return json.loads((LOCALES / language / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def object_info(server) -> dict[str, Any]:
    return server.get("/object_info")


def test_english_is_what_the_nodes_say(object_info):
    assert read("en", "nodeDefs.json") == english(object_info), "run: python -m tools.locales"
    assert read("en", "main.json") == english_main(object_info)


@pytest.mark.parametrize("name", ["nodeDefs.json", "main.json"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_and_no_other(object_info, language, name):
    wanted = english(object_info) if name == "nodeDefs.json" else english_main(object_info)
    texts = leaves(read(language, name))
    assert texts.keys() == leaves(wanted).keys()
    assert all(texts.values())


def test_chinese_is_chinese():
    texts = leaves(read("zh", "nodeDefs.json"))
    said = {path: text for path, text in texts.items() if path.endswith(("tooltip", "description"))}
    assert said
    for path, text in said.items():
        assert re.search("[\u4e00-\u9fff]", text), path
        assert not re.search(r"[\u4e00-\u9fff] ?[,;:.?]( |$)", text), f"half-width marks: {path}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_holds_what_the_page_takes_for_its_own_syntax(language):
    # The frontend fills {} with values, follows @ to other texts, and splits plurals at |.
    for name in ("nodeDefs.json", "main.json"):
        for path, text in leaves(read(language, name)).items():
            assert not set(text) & set("{}@|"), path


def test_menu_entries_stay_as_they_are_stored(object_info):
    """Translations must quote the entries of menus as the English texts do."""
    quoted = re.compile(r"\b(auto|fp8_e4m3fn|cpu|euler|8-bit|4-bit)\b")
    texts = {language: leaves(read(language, "nodeDefs.json")) for language in LANGUAGES}
    for path, text in texts["en"].items():
        assert set(quoted.findall(text)) == set(_words(quoted, texts["zh"][path])), path


def _words(pattern: re.Pattern[str], text: str) -> list[str]:
    """Matches of a pattern in a text whose words may be joined to Chinese ones."""
    return pattern.findall(re.sub("[\u3000-\u9fff\uff00-\uffef]", " ", text))


def test_the_server_offers_them(server):
    offered = server.get("/i18n")
    for language in LANGUAGES:
        assert offered[language]["nodeDefs"].items() >= read(language, "nodeDefs.json").items()
        for part, texts in read(language, "main.json").items():
            assert offered[language][part].items() >= texts.items()
