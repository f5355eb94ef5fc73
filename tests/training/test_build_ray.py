"""The same jobs on a cluster of two Ray nodes on this machine, one of which is killed."""

import os
import threading
import time
from pathlib import Path

import pytest

from support.builds import ALL, build_config, fingerprint, run, write_clips
from train.build.runner import run_stages
from train.build.state import State

ray = pytest.importorskip("ray", reason="ray is not installed: the cluster is not tested")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with one CPU each; yields the address and the second node."""
    from ray.cluster_utils import Cluster

    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(root / "tests")]))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made, second
    ray.shutdown()
    made.shutdown()


def test_a_node_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path, cluster):
    from train.build.cluster import on_cluster

    made, second = cluster
    clips = write_clips(tmp_path / "clips", 6)
    config = build_config(tmp_path / "there", clips)
    state = State(config.state)
    killed = threading.Event()

    def kill() -> None:
        # In the middle: some clips have candidates, others have not.
        while not any(state.results("candidates")):
            time.sleep(0.05)
        made.remove_node(second, allow_graceful=False)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    reports = run_stages(config, ALL, on_cluster(made.address))
    assert killed.is_set()
    assert [report.total for report in reports] == [6, 6, 6]
    assert all(not report.left_out for report in reports)
    here = build_config(tmp_path / "here", clips)
    run(here)
    assert fingerprint(here.state) == fingerprint(config.state)
    assert not list(config.state.rglob("*.partial-*/result.json"))
