"""A part of a video's frames: a range, every n-th one, a rate of one's own."""

import pytest
import torch

from lgvi_core.video.files import VideoReader
from lgvi_core.video.planes import frame_to_rgb
from lgvi_core.video.selection import Selection, selected
from support.videos import write_frames


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A video of 30 frames at 10 a second, each as bright as its number."""
    images = torch.arange(30).float()[:, None, None, None].expand(30, 32, 32, 3) / 40
    return write_frames(tmp_path_factory.mktemp("videos") / "numbered.mp4", images)


def taken(path, **how):
    with VideoReader(path) as video:
        fps = video.info.fps
        frames = [frame_to_rgb(frame) for frame in selected(video, Selection(**how))]
    return [round(float(frame.mean()) * 40) for frame in frames], Selection(**how).rate(fps)


def test_nothing_asked_gives_all(numbered):
    numbers, rate = taken(numbered)
    assert numbers == list(range(30))
    with VideoReader(numbered) as video:
        assert rate == video.info.fps


def test_a_range_and_every_third(numbered):
    numbers, rate = taken(numbered, skip=5, every=3, cap=4)
    assert numbers == [5, 8, 11, 14]
    assert rate == pytest.approx(taken(numbered)[1] / 3)


@pytest.mark.parametrize("factor", [0.5, 2.0, 0.4])
def test_a_rate_of_ones_own_leaves_out_and_repeats(numbered, factor):
    own = taken(numbered)[1]
    numbers, rate = taken(numbered, force_rate=own * factor)
    assert rate == pytest.approx(own * factor)
    assert numbers == [int(i / factor + 1e-6) for i in range(len(numbers))]
    assert abs(len(numbers) - 30 * factor) <= 1


def test_more_skipped_than_there_is_gives_none(numbered):
    assert taken(numbered, skip=30)[0] == []
