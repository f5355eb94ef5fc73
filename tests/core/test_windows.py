"""Overlapping windows: they cover every frame, and their weights blend and never vanish."""

from itertools import pairwise

import pytest
import torch

from lgvi_core.errors import LGVIError
from lgvi_core.sampling import MaskAverage
from lgvi_core.windows import context_windows, triangular_weights, window_phase, window_weights


@pytest.mark.parametrize("frames", [1, 5, 24, 25, 40, 41, 240])
@pytest.mark.parametrize(("length", "overlap"), [(24, 8), (8, 0), (5, 4), (1, 0)])
@pytest.mark.parametrize("phase", [0.0, 0.03, 0.5, 0.99, 1.0])
def test_windows_cover_all_frames_and_overlap(frames, length, overlap, phase):
    windows = context_windows(frames, length, overlap, phase=phase)
    assert sorted({i for w in windows for i in w}) == list(range(frames))
    assert all(len(w) == min(length, frames) for w in windows)
    for one, other in pairwise(windows):
        assert one.start < other.start
        assert one.stop - other.start >= overlap


def test_frames_that_one_step_parts_are_far_from_any_border_in_another():
    frames, length, overlap, apart = 72, 16, 5, 4
    steps = [context_windows(frames, length, overlap, phase=window_phase(n)) for n in range(10)]
    for start in range(frames - 2 * apart + 1):
        around = {*range(start, start + 2 * apart)}
        assert any(around <= {*window} for windows in steps for window in windows)


def test_the_last_step_moves_nothing_and_all_phases_are_even():
    phases = sorted(window_phase(steps_left) for steps_left in range(10))
    assert phases[0] == window_phase(0) == 0
    gaps = [after - before for before, after in pairwise([*phases, 1.0])]
    assert min(gaps) > 0.05 and max(gaps) < 0.2


@pytest.mark.parametrize("frames", [1, 4, 5, 24, 121, 240])
@pytest.mark.parametrize("stride", [2, 5, 10])
def test_windows_with_a_stride_cover_all_frames_once_for_each_beginning(frames, stride):
    windows = context_windows(frames, 8, 2, stride)
    assert sorted({i for w in windows for i in w}) == list(range(frames))
    assert all(w.step == stride and len(w) <= 8 for w in windows)
    for first in range(min(stride, frames)):
        own = [w for w in windows if w.start % stride == first]
        assert {i for w in own for i in w} == {*range(first, frames, stride)}
        assert all(len(w) == min(8, len(range(first, frames, stride))) for w in own)
        for one, other in pairwise(own):
            assert len({*one} & {*other}) >= 2


@pytest.mark.parametrize("stride", [1, 5])
def test_weights_blend_every_frame(stride):
    total = torch.zeros(50)
    for window in context_windows(50, 8, 2, stride):
        weights = window_weights(window, 50, 2)
        assert (weights > 0).all()
        total[list(window)] += weights
    assert (total > 0).all()
    one, *_ = context_windows(5, 8, 2, stride)
    assert (window_weights(one, 5, 2) == 1).all()


@pytest.mark.parametrize(("length", "overlap"), [(24, 8), (8, 0), (8, 7)])
def test_weights_are_positive_and_flat_at_the_ends(length, overlap):
    frames = 50
    total = torch.zeros(frames)
    for window in context_windows(frames, length, overlap):
        weights = window_weights(window, frames, overlap)
        assert (weights > 0).all()
        total[window.start : window.stop] += weights
    assert (total > 0).all()
    first, *_, last = context_windows(frames, length, overlap)
    assert window_weights(first, frames, overlap)[0] == 1
    assert window_weights(last, frames, overlap)[-1] == 1


def test_two_ramps_that_meet_add_up_to_one():
    first, second = context_windows(16, 10, 4)
    a, b = window_weights(first, 16, 4), window_weights(second, 16, 4)
    assert torch.allclose(a[6:] + b[:4], torch.ones(4))


@pytest.mark.parametrize(("length", "overlap"), [(4, 4), (4, 9), (0, 0), (4, -1)])
def test_impossible_windows_are_refused(length, overlap):
    with pytest.raises(LGVIError, match="overlap must be smaller"):
        context_windows(10, length, overlap)


def test_an_impossible_stride_is_refused():
    with pytest.raises(LGVIError, match="at least 1 apart, got 0"):
        context_windows(10, 4, 1, 0)


def test_masks_of_two_windows_pass_into_one_another_without_a_jump():
    frames, length, overlap = 16, 10, 4
    mean = None
    for window, logit in zip(context_windows(frames, length, overlap), (20.0, -20.0), strict=True):
        logits = torch.full((1, 1, length, 1, 1), logit)
        mean = mean or MaskAverage(logits, frames)
        mean.add(logits, list(window), window_weights(window, frames, overlap))
    seen = mean.mean()[0, 0, :, 0, 0]
    assert torch.allclose(seen[[0, 5, 10, 15]], torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert (seen[:-1] - seen[1:]).amax() < 1 / overlap


@pytest.mark.parametrize("length", [1, 2, 7, 8])
def test_a_tent_is_positive_symmetric_and_highest_in_the_middle(length):
    weights = triangular_weights(length)
    assert (weights > 0).all() and torch.equal(weights, weights.flip(0))
    assert weights.argmax() == (length - 1) // 2
