"""Texts of the nodes in ``locales``: every language whole, English as in the nodes.

``python tests/test_locales.py`` (with COMFYUI_PATH set) writes the English ones anew.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from comfy_server import ROOT, running_server

LOCALES = ROOT / "locales"
LANGUAGES = ("en", "zh")
AFTER_SEED = {"en": "control after generate", "zh": "生成后控制"}
Texts = dict[str, Any]
"""ComfyUI's format: nested, with a text or null at each leaf."""


def english(object_info: dict[str, Any]) -> Texts:
    """What ``nodeDefs.json`` says about this pack's nodes, by what ``/object_info`` answers."""
    return {
        name: {
            "display_name": info["display_name"],
            "description": info["description"],
            "inputs": _inputs(info),
            "outputs": {
                str(i): {"name": key, "tooltip": tooltip}
                for i, (key, tooltip) in enumerate(
                    zip(info["output_name"], info["output_tooltips"], strict=True)
                )
            },
        }
        for name, info in sorted(object_info.items())
        if name.startswith("LGVI_")
    }


def english_main(object_info: dict[str, Any]) -> Texts:
    """What ``main.json`` says: the menu's category, and types of this pack's own."""
    ours = [info for name, info in object_info.items() if name.startswith("LGVI_")]
    types = {kind for info in ours for kind in info["output"] if kind.startswith("LGVI")}
    return {
        "nodeCategories": {info["category"]: info["category"] for info in ours},
        "dataTypes": {kind: kind for kind in sorted(types)},
    }


def _inputs(info: dict[str, Any]) -> Texts:
    texts: Texts = {}
    for kind in ("required", "optional"):
        for key, spec in info["input"].get(kind, {}).items():
            options = spec[1] if len(spec) > 1 else {}
            texts[key] = {"name": key, "tooltip": options.get("tooltip")}
            if options.get("control_after_generate"):
                texts["control_after_generate"] = {"name": AFTER_SEED["en"]}
    return texts


def leaves(texts: Texts, path: str = "") -> dict[str, Any]:
    """Texts by their path."""
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
    assert read("en", "nodeDefs.json") == english(object_info), "run: python tests/test_locales.py"
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
    # The page puts values into {}, links @ to other texts, and splits at | into plurals.
    for name in ("nodeDefs.json", "main.json"):
        for path, text in leaves(read(language, name)).items():
            assert not set(text) & set("{}@|"), path


def test_menu_entries_stay_as_they_are_stored(object_info):
    """What a text quotes from a menu must be found in that menu."""
    quoted = re.compile(r"\b(auto|fp8_e4m3fn|cpu|euler|8-bit|4-bit)\b")
    texts = {language: leaves(read(language, "nodeDefs.json")) for language in LANGUAGES}
    for path, text in texts["en"].items():
        assert set(quoted.findall(text)) == set(_words(quoted, texts["zh"][path])), path


def _words(pattern: re.Pattern[str], text: str) -> list[str]:
    """Matches in a text without spaces between its words."""
    return pattern.findall(re.sub("[\u3000-\u9fff\uff00-\uffef]", " ", text))


def test_the_server_offers_them(server):
    offered = server.get("/i18n")
    for language in LANGUAGES:
        assert offered[language]["nodeDefs"].items() >= read(language, "nodeDefs.json").items()
        for part, texts in read(language, "main.json").items():
            assert offered[language][part].items() >= texts.items()


def renew() -> None:
    """Write the English texts."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        info = server.get("/object_info")
    _write(LOCALES / "en" / "nodeDefs.json", english(info))
    _write(LOCALES / "en" / "main.json", english_main(info))


def _write(path: Path, texts: Texts) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(renew())
