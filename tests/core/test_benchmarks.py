"""The benchmark compares like with like, in turns, and says what could not run."""

import dataclasses
from dataclasses import replace

import pytest
import torch

from lgvi_core.checkpoint.checkpoint import DEFAULT_SCHEDULER
from lgvi_core.checkpoint.own_settings import OwnSettings
from support.cases import filled_unet, small_config
from tools.benchmark import gpu_plan, run_plan
from tools.benchmarks.cases import Case, core_variants
from tools.benchmarks.measure import Variant, measure
from tools.benchmarks.report import as_json, markdown

STEPS = OwnSettings(steps=3, scheduler="normal")
OWN = OwnSettings(steps=2, text_scale=1.0, video_scale=1.0, scheduler="simple")


@pytest.fixture(scope="module")
def variants():
    config = small_config()
    case = Case(config, filled_unet(config).state_dict(), DEFAULT_SCHEDULER, (3, 8, 8), OWN)
    return core_variants(case, STEPS)


def test_ours_gives_the_released_loops_numbers_in_as_many_passes(variants):
    released, ours, own = measure(variants, rounds=2)
    assert (released.passes, ours.passes, own.passes) == (9, 9, 2)
    assert released.difference == 0
    assert ours.difference < 1e-4
    assert own.difference is None
    assert [len(f.wall) for f in (released, ours, own)] == [2, 2, 2]
    assert own.ratio_to(released, "cpu") < 1


def test_variants_take_turns_and_the_first_turn_does_not_count(variants):
    calls = []

    def noted(name):
        return Variant(name, lambda: calls.append(name) or torch.ones(1), variants[0].unet)

    figures = measure([noted("a"), noted("b")], rounds=2)
    assert calls == ["a", "b"] * 3
    assert [len(f.cpu) for f in figures] == [2, 2]


def test_what_cannot_run_says_why_and_stops_nothing(variants):
    def fails():
        raise RuntimeError("no kernel for this dtype\nmore")

    broken = replace(variants[0], name="broken", run=fails)
    figures = measure([broken, variants[2]], rounds=1)
    assert figures[0].error == "RuntimeError: no kernel for this dtype"
    assert len(figures[1].wall) == 1
    text = markdown({"a table": figures}, 1)
    assert "| broken | RuntimeError: no kernel for this dtype |" in text
    assert "| ours, the model's own settings | 2 |" in text
    content = as_json({"a table": figures}, 1)
    assert content["tables"]["a table"][1] == dataclasses.asdict(figures[1])
    assert content["machine"]["torch"] == torch.__version__


def test_no_round_begins_after_the_time(variants):
    figures = measure([variants[2]], rounds=3, seconds=0.0)
    assert figures[0].wall == []
    assert "no time left" in markdown({"a table": figures}, 3)


def test_the_plan_for_a_card_runs_whole():
    """On the CPU, where half precision works too; without ComfyUI, and without compiling."""
    config = small_config()
    case = Case(config, filled_unet(config).state_dict(), DEFAULT_SCHEDULER, (2, 8, 8), OWN)
    left_out = ("50 steps", "compiled", "ComfyUI")
    plan = gpu_plan(case, "cpu")
    plan = {title: part for title, part in plan.items() if not any(n in title for n in left_out)}
    tables = run_plan(plan, rounds=1)
    assert len(tables) == 5
    assert all(f.passes == 6 and f.error is None for found in tables.values() for f in found)


def test_what_cannot_be_built_says_why_and_stops_nothing(variants):
    def too_large():
        raise MemoryError("no room for it")

    plan = {"large": (1.0, too_large), "small": (60.0, lambda: [variants[2]])}
    tables = run_plan(plan, rounds=1)
    assert tables["large"][0].error == "MemoryError: no room for it"
    assert len(tables["small"][0].wall) == 1
