"""A sweep over sampling settings: what is tried, what is chosen, and what is written."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from lgvi_core.checkpoint.checkpoint import load_own_settings
from lgvi_core.checkpoint.own_settings import OwnSettings
from lgvi_core.settings import OWN_NAME
from support.tiny_checkpoint import write_checkpoint
from tools.paths import ROOT
from train.evaluation.clips import open_clips
from train.evaluation.statistics import Statistic
from train.evaluation.sweep import Point, SweptSettings, choose, merged, read_sweep_config
from train.sweep import sweep

WORTH = ("right", "damage")


def point(passes: int, right: float, damage: float) -> Point:
    measures = {"right": right, "damage": damage}
    figures = {name: Statistic(value, 0.01, None, 100) for name, value in measures.items()}
    return Point(SweptSettings(steps=passes), passes, figures)


def test_the_fewest_passes_within_a_point_of_the_best_are_chosen():
    points = [point(1, 0.90, 0.03), point(2, 0.975, 0.035), point(20, 0.98, 0.03)]
    chosen, best = choose(points, WORTH, 0.01)
    assert (chosen.passes, best.passes) == (2, 20)


def test_one_share_that_is_much_worse_disqualifies():
    points = [point(1, 0.98, 0.06), point(2, 0.98, 0.03)]
    chosen, _ = choose(points, WORTH, 0.01)
    assert chosen.passes == 2


def test_of_as_many_passes_the_better_one_is_taken():
    points = [point(2, 0.970, 0.03), point(2, 0.975, 0.03), point(8, 0.975, 0.03)]
    chosen, _ = choose(points, WORTH, 0.01)
    assert chosen is points[1]


def test_a_share_that_was_not_measured_is_named():
    with pytest.raises(ValueError, match="no clip has the measures \\['clean'\\]"):
        choose([point(1, 1.0, 0.0)], ("right", "clean"), 0.01)


def written(folder: Path, **changes) -> Path:
    """A configuration of two clips and two settings of a tiny random model."""
    values = {
        "output": str(folder / "out"),
        "methods": [{"kind": "lgvi", "name": "tiny", "model": str(folder / "tiny")}],
        "settings": [{"steps": 4, "text_scale": 2.0}, {"steps": 1}],
        "data": {"kind": "held-out", "clips": 3, "frames": 2, "sizes": [[32, 32]], "mixed": True},
        "measures": {"background": False},
        "baselines": False,
        "sheet_clips": 0,
        "within": 1.0,
        "device": "cpu",
        **changes,
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_choice_is_written_into_the_checkpoint(tmp_path):
    write_checkpoint(tmp_path / "tiny")
    before = load_own_settings(tmp_path / "tiny")
    config = read_sweep_config(written(tmp_path), {})
    text = sweep(config, write=False)
    assert load_own_settings(tmp_path / "tiny") == before, "only --write writes"
    assert "**1 euler simple, scales 1 and 1" in text
    assert "| 4 euler simple, scales 2 and 1" in text
    for stratum in ("upright", "turned", "turned, before photographs"):
        assert f"## {stratum} (1 clips)" in text
    sweep(config, write=True)
    after = load_own_settings(tmp_path / "tiny")
    assert after == OwnSettings(
        working_size=before.working_size, steps=1, text_scale=1.0, video_scale=1.0,
        scheduler="simple",
    )  # fmt: skip
    methods = json.loads((tmp_path / "out" / "results.json").read_text())["methods"]
    assert list(methods) == ["1 euler simple, scales 1 and 1", "4 euler simple, scales 2 and 1"]
    assert (tmp_path / "out" / "sweep.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": []}, "settings"),
        ({"settings": [{"steps": 1}, {"steps": 1}]}, "settings are given twice"),
        ({"settings": [{"step": 1}]}, "Extra inputs"),
        ({"worth": ["psnr"]}, "worth takes shares"),
        ({"methods": [{"kind": "folder", "name": "a", "folder": "b"}]}, "one method, an LGVI"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, changes, message):
    with pytest.raises(ValidationError, match=message):
        read_sweep_config(written(tmp_path, **changes), {})


@pytest.mark.parametrize("name", ["lgvi_mini_sweep", "lgvi_mini_i_sweep"])
def test_the_bundled_configurations_try_todays_settings_and_one_pass(name):
    config = read_sweep_config(ROOT / "train" / "configs" / f"{name}.yaml", {})
    passes = [merged(OwnSettings(), setting).passes for setting in config.settings]
    assert {1, 20} <= set(passes)
    assert config.data.clips >= 128
    methods = config.expanded().methods
    assert all(method.scheduler != OWN_NAME for method in methods)


def test_mixed_clips_are_strata(tmp_path):
    config = read_sweep_config(written(tmp_path), {})
    _, read = open_clips(config.data)
    samples = [read(number) for number in range(3)]
    assert [s.strata[0] for s in samples] == ["upright", "turned", "turned, before photographs"]
