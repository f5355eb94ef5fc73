"""The settings that a checkpoint carries, in a folder and in a single file."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from lgvi_core.checkpoint.checkpoint import (
    BUNDLED_MODEL,
    SUB_MODELS,
    load_checkpoint,
    load_own_settings,
    read_sub_model,
    save_single_file,
    write_own_settings,
)
from lgvi_core.checkpoint.files import read_metadata
from lgvi_core.checkpoint.own_settings import (
    OFFICIAL,
    SETTINGS_FILE,
    OwnSettings,
    read_own_settings,
)
from lgvi_core.errors import LGVIError
from lgvi_core.settings import OWN_NAME, SamplingSettings
from support.tiny_checkpoint import OWN_SETTINGS

MINI = OwnSettings(working_size=160, steps=1, text_scale=1.0, video_scale=1.0, scheduler="simple")


@pytest.mark.parametrize("name", ["lgvi-mini", "lgvi-mini-i"])
def test_bundled_models_carry_theirs(name):
    assert read_own_settings(BUNDLED_MODEL.parent / name) == MINI


def test_a_folder_without_them_wants_the_official_ones(tmp_path):
    own = read_own_settings(tmp_path)
    assert own == OFFICIAL
    assert (own.working_size, own.text_scale, own.video_scale) == (512, 3.0, 1.5)
    assert own.passes <= 0.25 * 150


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({"steps": 50}, 150),
        ({"steps": 10, "text_scale": 2.0, "video_scale": 1.0}, 20),
        ({"steps": 4, "text_scale": 2.0, "video_scale": 2.0}, 8),
        ({"steps": 1, "text_scale": 1.0, "video_scale": 1.0}, 1),
        ({"steps": 4, "guidance_start": 0.2, "guidance_end": 0.5}, 8),
    ],
)
def test_passes_are_counted(settings, passes):
    assert OwnSettings(**settings).passes == passes


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_they_are_written_into_a_checkpoint_and_the_weights_stay(tiny_folder, tmp_path, kind):
    path = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    if kind == "file":
        whole = load_checkpoint(path)
        parts = {name: read_sub_model(path, name) for name in SUB_MODELS}
        path = tmp_path / "tiny.safetensors"
        save_single_file(path, parts, whole.scheduler, {"made by": "a test"}, whole.own_settings)
        assert load_own_settings(path) == whole.own_settings
    before, wanted = load_checkpoint(path), OwnSettings(steps=2, guidance_end=0.5)
    weights = {name: tensor.clone() for name, tensor in before.unet.items()}
    write_own_settings(path, wanted)
    after = load_checkpoint(path)
    assert after.own_settings == load_own_settings(path) == wanted
    assert after.scheduler == before.scheduler
    assert after.unet.keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in after.unet.items())
    if kind == "file":
        assert read_metadata(path)["made by"] == "a test"


def test_they_are_not_written_where_no_checkpoint_is(tmp_path):
    with pytest.raises(LGVIError, match="not a diffusers folder"):
        write_own_settings(tmp_path, OwnSettings())
    with pytest.raises(LGVIError, match=r"other\.safetensors"):
        write_own_settings(tmp_path / "other.safetensors", OwnSettings())
    assert not list(tmp_path.iterdir())


def test_folder_and_single_file_carry_the_same(tiny_folder, tmp_path):
    folder = load_checkpoint(tiny_folder)
    assert folder.own_settings == OwnSettings(**OWN_SETTINGS)
    parts = {name: read_sub_model(tiny_folder, name) for name in SUB_MODELS}
    file = tmp_path / "tiny.safetensors"
    save_single_file(file, parts, folder.scheduler, {}, folder.own_settings)
    assert load_checkpoint(file).own_settings == folder.own_settings
    save_single_file(file, parts, folder.scheduler, {})
    assert load_checkpoint(file).own_settings == OFFICIAL


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 10}, "step: Extra inputs"),
        ({"steps": 0}, "steps: Input should be greater"),
        ({"guidance_end": 1.5}, "guidance_end: Input should be less"),
        ({"working_size": "large"}, "working_size: Input should be a valid integer"),
        ([], "not a JSON object"),
    ],
)
def test_wrong_ones_are_named(tmp_path, values, message):
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(values))
    with pytest.raises(LGVIError, match=f"lgvi.json: .*{message}"):
        read_own_settings(tmp_path)


def test_only_what_stands_for_the_models_own_becomes_it():
    given = SamplingSettings(4, 50, 0.0, 1.5, "dpmpp_2m", "karras", 0.0, 0.5)
    assert given.complete(MINI) == given
    mixed = SamplingSettings(4, steps=25, sampler=OWN_NAME, guidance_start=0.2).complete(MINI)
    assert mixed == SamplingSettings(4, 25, 1.0, 1.0, "euler", "simple", 0.2, 1.0)


def test_no_steps_and_shares_beyond_the_end_are_refused():
    with pytest.raises(LGVIError, match="steps must be at least 1"):
        SamplingSettings(steps=0)
    for share in (1.5, float("nan")):
        with pytest.raises(LGVIError, match="guidance_start and guidance_end are shares"):
            SamplingSettings(guidance_end=share)
