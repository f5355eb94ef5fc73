"""Building a data set: from clips to a folder that training reads, whatever is broken or killed."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from lgvi_core.background.carry import carry, flows_of, meets_next, overlap
from lgvi_core.errors import LGVIError
from support.builds import (
    ALL,
    FRAMES,
    SIZE,
    build_config,
    damaged_clips,
    fingerprint,
    run,
    write_clips,
)
from tools.paths import ROOT
from train.build.candidates.quality import judge, order_of
from train.build.examples import make_clip
from train.build.export.stage import export
from train.build.judged import judge_order
from train.build.people.decisions import items
from train.build.sources.a2d_sentences import a2d_clips
from train.build.sources.refer_youtube_vos import refer_youtube_vos_clips
from train.build.sources.take import take
from train.build.state import State, key_of
from train.build.status import status
from train.data.check import check
from train.data.pictures import list_pictures, read_rgb


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def built(tmp_path_factory, clips):
    """A finished build with its configuration and reports."""
    config = build_config(tmp_path_factory.mktemp("built"), clips)
    return config, run(config)


def test_a_build_ends_in_a_data_set_that_training_reads(built):
    config, reports = built
    assert [reports[stage].left_out for stage in ALL] == [{}, {}, {}]
    shards = {"output": config.state.parent / "sharded", "shards": True, "test_share": 0.0}
    output = export(build_config(config.state.parent, config.sources[0].root, export=shards))
    for path in (output, output / "shards" / "train"):
        report = check(str(path), workers=1)
        assert report.problems == []
        assert report.total == 2
    table = json.loads((output / "train.json").read_text())
    entry = next(iter(table.values()))["objects"]["1"]
    assert all(text.startswith("remove") for text in entry["expressions"])
    assert entry["made"]["chosen_by"] == "figures"
    statistics = json.loads((output / "statistics.json").read_text())
    assert (statistics["videos"], statistics["frames"]) == (2, 2 * FRAMES)
    assert len(statistics["mask_sizes"]) == statistics["objects"] == 2
    card = (output / "README.md").read_text()
    assert "No person chose" in card
    assert "| videos | 2 |" in card
    assert read_rgb(output / "statistics.png").std() > 10
    assert "figures: 2" in status(config)


def test_outside_the_hole_a_target_is_the_source(built):
    config, _ = built
    output = export(config)
    (video, record), *_ = json.loads((output / "train.json").read_text()).items()
    item = next(i for i in items(config) if i.key == video)
    left, top, right, bottom = item.object["box"]
    outside = np.ones(SIZE, bool)
    outside[top:bottom, left:right] = False
    for source, target in zip(
        list_pictures(output / "JPEGImages" / video),
        list_pictures(output / "InpaintImages" / video / "1"),
        strict=True,
    ):
        difference = cv2.absdiff(read_rgb(source), read_rgb(target))
        assert difference[outside].mean() < 1.5  # JPEG twice
    assert record["objects"]["1"]["made"]["grow"] in config.candidates.grow


def test_what_is_done_is_skipped_and_what_changed_is_made_anew(built):
    config, _ = built
    before = fingerprint(config.state)
    again = run(config)
    assert [again[stage].skipped for stage in ALL] == [2, 2, 2]
    assert fingerprint(config.state) == before
    frames = {"longest": FRAMES, "quality": 80}
    other = config.model_copy(update={"frames": type(config.frames)(**frames)})
    changed = run(other, (*ALL[:1],))
    assert changed[ALL[0]].skipped == 0
    run(config, ALL[:1])
    assert fingerprint(config.state) == before


def test_an_export_never_replaces_what_is_no_export(built, tmp_path):
    config, _ = built
    (tmp_path / "film.mov").write_text("mine")
    taken = build_config(config.state.parent, config.sources[0].root, export={"output": tmp_path})
    with pytest.raises(LGVIError, match="no export"):
        export(taken)
    nobody = build_config(
        config.state.parent, config.sources[0].root, selection={"without_people": "nothing"}
    )
    with pytest.raises(LGVIError, match="nobody has chosen yet"):
        export(nobody)


def test_broken_clips_are_named_and_counted_and_the_rest_goes_on(tmp_path, clips):
    reasons = damaged_clips(tmp_path / "clips", clips)
    strange = sys.platform == "linux"  # others have no such names
    if strange:
        (tmp_path / "clips" / os.fsdecode(b"r\xff.json")).write_text("{}")
    config = build_config(tmp_path, tmp_path / "clips")
    reports = run(config, ALL[:2])
    left_out = {**reports["sources"].left_out, **reports["masks"].left_out}
    for name, words in reasons.items():
        assert words in left_out[key_of("mine", name)], name
    assert any("not UTF-8" in reason for reason in left_out.values()) == strange
    assert len(left_out) == len(reasons) + strange
    kept = [result.key for result in State(config.state).results("masks") if not result.problem]
    assert kept == ["mine--made-002", "mine--made-003"]
    assert "left out" in str(reports["sources"])


def test_a_clip_that_was_mended_is_tried_again(tmp_path, clips):
    reasons = damaged_clips(tmp_path / "clips", clips)
    for path in (tmp_path / "clips").glob("*.json"):
        if path.stem != "missing":
            path.unlink()
    config = build_config(tmp_path, tmp_path / "clips")
    assert reasons["missing"] in run(config, ALL[:1])["sources"].left_out["mine--missing"]
    shutil.copytree(tmp_path / "clips" / "made-002", tmp_path / "clips" / "not-there.mp4")
    assert run(config, ALL[:1], retry=True)["sources"].left_out == {}


def test_two_runs_on_one_state_do_not_mix(built):
    config, _ = built
    with State(config.state).lock("run"):
        with pytest.raises(LGVIError, match="in use by another `run`"):
            run(config)
        with pytest.raises(LGVIError, match="in use by another `run`"):
            export(config)


def test_masks_follow_a_thing_and_meet_the_next_given_one():
    made = make_clip(4, 10, (120, 192))
    flows = flows_of(made.frames)
    both = carry(made.frames, {0: made.masks[0], 9: made.masks[9]}, flows)
    alone = carry(made.frames, {0: made.masks[0]}, flows)
    for carried in (both, alone):
        met = [overlap(m > 0.5, t) for m, t in zip(carried.masks, made.masks, strict=True)]
        assert np.mean(met) > 0.8
    assert meets_next(made.frames, {0: made.masks[0], 9: made.masks[9]}, flows, True) > 0.7
    elsewhere = np.roll(made.masks[9], 60, axis=1)
    assert meets_next(made.frames, {0: made.masks[0], 9: elsewhere}, flows, True) < 0.3


def test_figures_prefer_a_hole_that_leaves_no_rim():
    rng = np.random.default_rng(0)
    clean = np.full((3, 60, 60, 3), 90, np.uint8) + rng.integers(0, 4, (3, 60, 60, 3), np.uint8)
    distance = np.maximum(np.abs(np.arange(60) - 30)[:, None], np.abs(np.arange(60) - 30))
    source = np.where((distance <= 12)[..., None], 220, clean).astype(np.uint8)
    holes = [np.repeat((distance <= d)[None], 3, 0) for d in (10, 13, 15, 18, 24)]
    perfect = [np.where(hole[..., None], clean, source) for hole in holes]
    noise = rng.normal(0, 12, clean.shape)
    invented = [
        np.where(hole[..., None], np.clip(clean + noise, 0, 255), source).astype(np.uint8)
        for hole in holes
    ]
    for candidates in (perfect, invented):
        judged = judge(source, holes, candidates, [None] * 5)
        assert order_of(judged)[0] == 1
        assert judged[0].leftover > 30
        assert judged[1].leftover < 12
    assert judge(source, holes, invented, [None] * 5)[1].flicker < 25


@pytest.mark.slow
def test_the_order_is_good_on_clips_whose_truth_is_known(built, clips):
    config, _ = built
    found = judge_order(config, clips)
    assert len(found) == 2
    assert all(judged.overlap > 0.5 for judged in found)
    assert np.mean([judged.loss for judged in found]) < 3


def test_refer_youtube_vos_as_published(tmp_path):
    made = make_clip(6, FRAMES, SIZE)
    from train.build.pictures import write_frame, write_ids

    names = [f"{5 * i:05d}" for i in range(FRAMES)]
    for name, frame, mask in zip(names, made.frames, made.masks, strict=True):
        write_frame(tmp_path / f"train/JPEGImages/v1/{name}.jpg", frame, 95)
        write_ids(tmp_path / f"train/Annotations/v1/{name}.png", mask.astype(np.uint8) * 2)
    said = {"0": {"exp": "a red ball", "obj_id": "2"}, "1": {"exp": "the ball", "obj_id": "2"}}
    record = {"frames": names, "expressions": said}
    gone = {"frames": ["00000", "00099"], "expressions": said}
    (tmp_path / "meta_expressions/train").mkdir(parents=True)
    table = {"videos": {"v1": record, "v2": gone}}
    (tmp_path / "meta_expressions/train/meta_expressions.json").write_text(json.dumps(table))
    about = {"videos": {"v1": {"objects": {"2": {"category": "ball"}}}}}
    (tmp_path / "train/meta.json").write_text(json.dumps(about))
    first, second = refer_youtube_vos_clips("ytvos", tmp_path, "train")
    assert "00000.jpg is missing" in second.problem
    facts = take(first, build_config(tmp_path, tmp_path).frames, tmp_path / "out")
    assert facts["objects"] == [
        {"id": 2, "expressions": ["a red ball", "the ball"], "category": "ball"}
    ]
    assert (facts["given"], facts["step"], facts["split"]) == ([*range(FRAMES)], 5, "train")


def test_a2d_sentences_as_published(tmp_path):
    h5py = pytest.importorskip("h5py")
    from train.build.candidates.comfy import lossless_video

    made = make_clip(6, 12, SIZE)
    (tmp_path / "Release/clips320H").mkdir(parents=True)
    (tmp_path / "Release/clips320H/vid.mp4").write_bytes(lossless_video(made.frames))
    row = ["vid", "11", "0:0", "0:1", *map(str, SIZE), "12", "3", "1"]
    with (tmp_path / "Release/videoset.csv").open("w", newline="") as file:
        csv.writer(file).writerow(row)
    (tmp_path / "a2d_annotation.txt").write_text(
        "video_id,instance_id,query\nvid,0,ball rolling left\nvid,0,a ball\n"
    )
    folder = tmp_path / "a2d_annotation_with_instances/vid"
    folder.mkdir(parents=True)
    for number in (3, 9):
        with h5py.File(folder / f"{number:05d}.h5", "w") as file:
            file["instance"] = np.array([0.0])
            file["reMask"] = made.masks[number - 1].T.astype(np.uint8)
    (clip,) = a2d_clips("a2d", tmp_path)
    facts = take(clip, build_config(tmp_path, tmp_path).frames, tmp_path / "out")
    assert (facts["frames"], facts["given"], facts["split"]) == (12, [2, 8], "test")
    from train.data.pictures import read_indices

    ids = read_indices(tmp_path / "out/given/00002.png")
    assert np.array_equal(ids == 1, made.masks[2])


WRITTEN = 180  # files that the whole build writes, nearly
KILLED = """
import sys
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from pathlib import Path
from support.builds import build_config, run
from train.build.export.stage import export
config = build_config(Path({base!r}), Path({clips!r}))
run(config)
export(config)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_changes_nothing_in_the_end(tmp_path, clips, built):
    config, _ = built
    export(config)
    code = KILLED.format(
        root=str(ROOT), tests=str(ROOT / "tests"), base=str(tmp_path), clips=str(clips)
    )
    rng = random.Random(0)
    kills = int(os.environ.get("LGVI_KILLS", "3"))
    moments = []
    while True:
        before = _written(tmp_path)
        more = rng.randint(1, max(2, WRITTEN // kills - 1)) if len(moments) < kills else None
        running = subprocess.Popen([sys.executable, "-c", code])
        while running.poll() is None:
            if more is not None and _written(tmp_path) >= before + more:
                running.kill()
                running.wait()
                stages = [p.name for p in tmp_path.glob("state/*") if p.is_dir()]
                moments.append(f"{max(stages, key=ALL.index)}, {_written(tmp_path)} files")
                break
            time.sleep(0.005)
        if running.returncode == 0:
            break
    print("\nkilled in:", *moments, sep="\n  ")
    assert len(moments) > kills // 3
    assert fingerprint(tmp_path / "state") == fingerprint(config.state)
    assert _data(tmp_path / "rovi") == _data(config.export.output)


def _written(folder):
    """How many files lie in a folder; one that vanishes meanwhile counts or not."""
    return sum(len(names) for _, _, names in os.walk(folder))


def _data(output):
    skipped = ("build.json",)
    return {k: v for k, v in fingerprint(output).items() if k not in skipped}
