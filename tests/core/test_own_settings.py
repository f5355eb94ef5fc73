"""The settings that a checkpoint carries, in a folder and in a single file."""

import json

import pytest

from lgvi_core.checkpoint.checkpoint import (
    BUNDLED_MODEL,
    SUB_MODELS,
    load_checkpoint,
    read_sub_model,
    save_single_file,
)
from lgvi_core.checkpoint.own_settings import SETTINGS_FILE, OwnSettings, read_own_settings
from lgvi_core.errors import LGVIError
from lgvi_core.settings import OWN_NAME, SamplingSettings
from support.tiny_checkpoint import OWN_SETTINGS

MINI = OwnSettings(working_size=160, steps=10, text_scale=2.0, video_scale=1.0)


@pytest.mark.parametrize("name", ["lgvi-mini", "lgvi-mini-i"])
def test_bundled_models_carry_theirs(name):
    assert read_own_settings(BUNDLED_MODEL.parent / name) == MINI


def test_a_folder_without_them_wants_the_official_ones(tmp_path):
    own = read_own_settings(tmp_path)
    assert (own.working_size, own.steps, own.text_scale, own.video_scale) == (512, 50, 3.0, 1.5)
    assert (own.sampler, own.scheduler) == ("euler", "normal")


def test_folder_and_single_file_carry_the_same(tiny_folder, tmp_path):
    folder = load_checkpoint(tiny_folder)
    assert folder.own_settings == OwnSettings(**OWN_SETTINGS)
    parts = {name: read_sub_model(tiny_folder, name) for name in SUB_MODELS}
    file = tmp_path / "tiny.safetensors"
    save_single_file(file, parts, folder.scheduler, {}, folder.own_settings)
    assert load_checkpoint(file).own_settings == folder.own_settings
    save_single_file(file, parts, folder.scheduler, {})
    assert load_checkpoint(file).own_settings == OwnSettings()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 10}, "step: Extra inputs"),
        ({"steps": 0}, "steps: Input should be greater"),
        ({"working_size": "large"}, "working_size: Input should be a valid integer"),
        ([], "not a JSON object"),
    ],
)
def test_wrong_ones_are_named(tmp_path, values, message):
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(values))
    with pytest.raises(LGVIError, match=f"lgvi.json: .*{message}"):
        read_own_settings(tmp_path)


def test_only_what_stands_for_the_models_own_becomes_it():
    given = SamplingSettings(4, 50, 0.0, 1.5, "dpmpp_2m", "karras")
    assert given.complete(MINI) == given
    mixed = SamplingSettings(4, steps=25, sampler=OWN_NAME).complete(MINI)
    assert mixed == SamplingSettings(4, 25, 2.0, 1.0, "euler", "normal")


def test_no_steps_are_refused():
    with pytest.raises(LGVIError, match="steps must be at least 1"):
        SamplingSettings(steps=0)
