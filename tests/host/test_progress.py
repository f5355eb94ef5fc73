"""Texts on nodes go to the page that asked for the run, and to no other."""

import importlib
from types import SimpleNamespace

import pytest


@pytest.fixture
def sent(comfy, monkeypatch):
    """What the server sends, for a page called by the first entry."""
    texts = []
    progress = importlib.import_module("lgvi_pack.nodes.host.progress")
    server = SimpleNamespace(
        client_id="page",
        send_progress_text=lambda text, node, sid=None: texts.append((sid, node, text)),
    )
    monkeypatch.setattr(progress.PromptServer, "instance", server, raising=False)
    return SimpleNamespace(texts=texts, server=server, show=progress.show_text)


def test_a_text_goes_to_the_page_that_asked(sent):
    sent.show("5", "24 of 24 frames changed")
    assert sent.texts == [("page", "5", "24 of 24 frames changed")]


def test_without_a_page_nothing_is_sent_to_the_others(sent):
    sent.server.client_id = None
    sent.show("5", "24 of 24 frames changed")
    assert sent.texts == []
