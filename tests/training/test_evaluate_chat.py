"""Evaluation of chat models: measures of replies, both paths, and clips with conversations."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image

from lgvi_core.errors import LGVIError
from support.tiny_chat import dictated, make_chat_folder
from support.tiny_checkpoint import write_checkpoint
from train.data.generated.asked import make_asked_sample
from train.data.generated.samples import make_sample
from train.data.language.conversations import make_conversation
from train.data.language.prompts import MARKS
from train.data.naming import Described
from train.evaluate import main
from train.evaluation.clips import digest
from train.evaluation.config import EndToEndConfig, TwoStageConfig
from train.evaluation.methods import open_method
from train.evaluation.object_measures import reply_measures

FEATURES = 24  # width of the tiny U-Net's text features


def asked(wanted, frames=2):
    """The first held-out clip whose conversation removes something, or nothing, and its number."""
    for number in range(200):
        sample = make_asked_sample("held-out", number, frames, 64, 64)
        if bool(sample.removed) == wanted:
            return number, sample
    raise AssertionError("no such conversation")


def test_an_asked_clip_is_the_clip_with_another_target():
    number, sample = asked(wanted=True)
    plain = make_sample("held-out", number, 2, 64, 64)
    talk = make_conversation("held-out", number, 2, 64, 64)
    assert np.array_equal(sample.source, plain.source)
    assert sample.removed == talk.turns[-1].removed
    assert sample.turns[-1] == (talk.turns[-1].request, talk.turns[-1].reply)
    assert sample.sentence in sample.turns[-1][1]
    gone = sample.mask >= 128
    assert np.array_equal(gone.any(), True)
    changed = (np.abs(sample.source.astype(int) - sample.target) > 2).any(-1)
    assert not changed[sample.mask == 0].any()
    assert digest(sample) != digest(plain)


def test_an_asked_clip_without_removal_stays_as_it_is():
    _, sample = asked(wanted=False)
    assert sample.sentence == ""
    assert np.array_equal(sample.source, sample.target)
    assert not sample.mask.any()


def test_what_counts_as_named_and_well_formed():
    _, sample = asked(wanted=True)
    begin, end = MARKS
    right = f"Sure. {begin} {sample.sentence} {end}"
    replies = {
        right: (1.0, 1.0),
        f"{begin} {sample.sentence}": (1.0, 0.0),
        f"{begin} remove the white elephant {end}": (0.0, 0.0),
        "Which one?": (0.0, 0.0),
    }
    for reply, (named, well_formed) in replies.items():
        expected = {"named": [named], "well_formed": [well_formed], "answered": [named]}
        assert reply_measures(sample, reply) == expected
    _, nothing = asked(wanted=False)
    assert reply_measures(nothing, "Which one?") == {"silent": [1.0], "answered": [1.0]}
    assert reply_measures(nothing, right) == {"silent": [0.0], "answered": [0.0]}


def test_replies_about_described_things_may_use_any_words():
    _, sample = asked(wanted=True)
    things = (
        Described(("ball", "sphere"), ("balls", "spheres"), "red", 0.3, 0.2, 0.5, False),
        Described(("ball", "sphere"), ("balls", "spheres"), "blue", 0.3, 0.8, 0.5, False),
    )
    sample = replace(sample, objects=(), described=things, removed=(1,))
    begin, end = MARKS
    replies = {
        "remove the blue sphere": 1.0,
        "take the ball on the right": 0.0,  # "take" is no word of a prompt that is known
        "the ball on the right": 1.0,
        "remove the ball": 0.0,
        "remove both balls": 0.0,
        "remove the red ball": 0.0,
    }
    for prompt, named in replies.items():
        found = reply_measures(sample, f"There is one. {begin} {prompt} {end}")
        assert found == {"named": [named], "well_formed": [1.0], "answered": [named]}, prompt
    assert reply_measures(sample, f"{begin} the blue ball")["well_formed"] == [0.0]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Random models: (two-stage model, end-to-end model, chat model)."""
    root = tmp_path_factory.mktemp("models")
    two_stage, end_to_end = write_checkpoint(root / "lgvi"), write_checkpoint(root / "lgvi-i")
    config = end_to_end / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"text_features": ["mm_head"]}))
    return two_stage, end_to_end, make_chat_folder(root / "chat", mm_features=FEATURES)


def method(models, kind, **changes):
    two_stage, end_to_end, chat = models
    config, model = (
        (EndToEndConfig, end_to_end) if kind == "lgvi_i" else (TwoStageConfig, two_stage)
    )
    values = {"kind": kind, "name": kind, "model": model, "chat": chat, "steps": 1}
    return open_method(config.model_validate(values | changes), "cpu")


@pytest.mark.parametrize("kind", ["lgvi_mllm", "lgvi_i"])
def test_the_reply_decides_what_is_removed(models, kind):
    _, sample = asked(wanted=True)
    opened = method(models, kind)
    said = [
        f"{MARKS[0]} remove the ball {MARKS[1]}",
        f"{MARKS[0]} remove the fish {MARKS[1]}",
        "Which one?",
    ]
    results = []
    for text in said:
        opened.kept_replies.clear()
        with dictated(opened.chat, text):
            results.append(opened(sample_with_one_turn(sample)))
    again = opened(sample_with_one_turn(sample))
    assert again.reply == said[-1], "a clip's reply is asked for once"
    assert [r.reply for r in results] == said
    assert not np.array_equal(results[0].frames, results[1].frames)
    assert np.array_equal(results[2].frames, sample.source), "nothing was named"
    assert not results[2].mask.any()


def sample_with_one_turn(sample):
    return replace(sample, turns=sample.turns[-1:])


def test_end_to_end_needs_an_mm_head(models, tmp_path):
    plain = make_chat_folder(tmp_path / "plain", mm_features=None)
    with pytest.raises(LGVIError, match="no MM head"):
        method((*models[:2], plain), "lgvi_i")


def test_blank_frames_hide_the_picture(models, monkeypatch):
    from train.evaluation import methods

    seen = []
    original = methods.reply

    def watched(chat, frames, *args, **kwargs):
        seen.append(frames)
        return original(chat, frames, *args, **kwargs)

    monkeypatch.setattr(methods, "reply", watched)
    _, sample = asked(wanted=True)
    method(models, "lgvi_mllm", blank=True, max_tokens=2)(sample)
    assert all((frames == 0.5).all() for frames in seen)
    assert len(seen) == len(sample.turns)


@pytest.mark.slow
def test_the_command_reports_replies(models, tmp_path, capsys):
    two_stage, end_to_end, chat = models
    shared = {"chat": str(chat), "steps": 1, "max_tokens": 4}
    values = {
        "output": str(tmp_path / "out"),
        "methods": [
            {"kind": "lgvi_mllm", "name": "two-stage", "model": str(two_stage), **shared},
            {"kind": "lgvi_i", "name": "end to end", "model": str(end_to_end), **shared},
        ],
        "data": {
            "kind": "held-out",
            "conversations": True,
            "clips": 12,
            "frames": 2,
            "sizes": [[64, 64]],
        },
        "bars": {"named": {"minimum": 0.9}, "silent": {"minimum": 0.5}},
        "device": "cpu",
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    main(["--config", str(path)])
    text = capsys.readouterr().out
    assert "## Replies" in text
    assert "not met" in text
    found = json.loads((tmp_path / "out" / "results.json").read_text())["methods"]
    for name in ("two-stage", "end to end"):
        measured = found[name]["measures"]
        assert measured["named"]["mean"] == 0, "random models say nothing of use"
        assert measured["silent"]["mean"] == 1
        assert measured["named"]["clips"] + measured["silent"]["clips"] == 12
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 0
