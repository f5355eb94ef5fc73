"""Memory that long videos need, and the borders of their windows and segments."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.whole_video import borders

SCRIPT = Path(__file__).parents[1] / "support" / "removal_memory.py"


def peak_memory(frames: int) -> float:
    command = [sys.executable, str(SCRIPT), str(frames)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted differently")
def test_ten_times_the_frames_need_the_same_memory(comfyui_path):
    assert peak_memory(400) < 1.05 * peak_memory(40)


def test_borders_are_where_the_windows_of_the_segments_begin_and_end():
    windows, segments = borders(20, segment=12, window=8, overlap=2)
    # Segments are 0-11 and 10-19; windows are 0-7 and 4-11, then 10-17 and 12-19.
    assert segments == {11}
    assert windows == {3, 7, 17}
    assert borders(8, segment=12, window=8, overlap=2) == (set(), set())
