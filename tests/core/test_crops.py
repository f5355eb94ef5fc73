"""Crops that follow an object, and the look that finds a small one."""

import pytest
import torch

from lgvi_core.crops import Box, boxes_of, follow
from lgvi_core.errors import LGVIError
from lgvi_core.look import Look, every_so_often, spread
from lgvi_core.view import View

SIZE = (300, 500)


def moving(frames: int, side: int, step: int) -> dict[int, Box]:
    """Boxes of a square that moves to the right and down."""
    return {
        i: Box(20 + i * step, 30 + i * step, 20 + i * step + side, 30 + i * step + side)
        for i in range(frames)
    }


@pytest.mark.parametrize("step", [0, 3, 17])
def test_every_crop_holds_its_box_and_lies_in_the_frame(step):
    boxes = moving(12, 30, step)
    crops = follow(boxes, 12, SIZE)
    assert crops.size[0] / crops.size[1] == pytest.approx(SIZE[0] / SIZE[1], abs=0.02)
    for number, box in boxes.items():
        rows, columns = crops.slices(number)
        assert 0 <= rows.start <= box.top and box.bottom <= rows.stop <= SIZE[0]
        assert 0 <= columns.start <= box.left and box.right <= columns.stop <= SIZE[1]


def test_frames_without_a_box_are_cut_between_their_neighbours():
    boxes = moving(21, 30, 8)
    some = {number: boxes[number] for number in (0, 10, 20)}
    every, between = (follow(x, 21, SIZE).corners for x in (boxes, some))
    apart = torch.tensor(every) - torch.tensor(between)
    assert apart.abs().max() <= 1


def test_a_path_does_not_tremble_with_the_boxes():
    boxes = moving(30, 30, 4)
    shaken = {
        n: Box(b.top + 5 * (n % 2), b.left, b.bottom + 5 * (n % 2), b.right)
        for n, b in boxes.items()
    }
    tops = torch.tensor(follow(shaken, 30, SIZE).corners)[5:25, 0]
    assert (tops.diff().diff().abs() <= 2).all()  # that of the boxes is 10


def test_a_large_object_gets_whole_frames():
    crops = follow(moving(3, 120, 0), 3, SIZE)
    assert crops.is_whole
    frames = torch.rand(3, *SIZE, 3)
    assert crops.cut(frames) is frames


def test_what_is_cut_and_put_back_is_the_same():
    crops = follow(moving(6, 30, 9), 6, SIZE)
    frames = torch.rand(6, *SIZE, 3)
    parts = crops.cut(frames)
    assert parts.shape == (6, *crops.size, 3)
    assert torch.equal(crops.put(parts, onto=frames), frames)
    laid = crops.put(torch.ones_like(parts), onto=torch.zeros_like(frames))
    assert laid.sum() == parts.numel()


def test_crops_of_another_clip_are_refused():
    crops = follow(moving(6, 30, 9), 6, SIZE)
    with pytest.raises(LGVIError, match="these crops are of 6 frames of 500 x 300 pixels"):
        crops.cut(torch.zeros(5, *SIZE, 3))


@pytest.mark.parametrize(
    ("boxes", "margin", "message"),
    [
        ({}, 1.0, "the mask is empty in all frames"),
        ({0: Box(0, 0, 9, 9)}, -0.1, "margin must be 0"),
    ],
)
def test_nothing_to_follow_is_said(boxes, margin, message):
    with pytest.raises(LGVIError, match=message):
        follow(boxes, 4, SIZE, margin)


def test_boxes_are_in_pixels_of_the_source():
    mask = torch.zeros(3, 30, 50)
    mask[1, 10:12, 20:25] = 1
    assert boxes_of(mask, SIZE) == {1: Box(100, 200, 120, 250)}


def test_a_view_of_crops_leads_back_to_the_frame():
    crops = follow(moving(4, 40, 10), 4, SIZE)
    view = View.of(SIZE, 64, crops)
    frame = torch.rand(*SIZE, 3)
    shown = view.shown(frame, 2)
    assert shown.shape[1:3] == view.fit.canvas and max(view.fit.canvas) == 64
    placed = view.placed(view.restored(shown[0]), 2)
    rows, columns = crops.slices(2)
    inside = placed[rows, columns]
    assert (inside.mean((0, 1)) - frame[rows, columns].mean((0, 1))).abs().max() < 0.02
    assert placed.sum() == pytest.approx(float(inside.sum()), rel=1e-4)
    whole = View.of(SIZE, 64)
    assert whole.placed(frame, 2) is frame


def red(least: int):
    """A model that marks what is red, if it is at least so many pixels wide in what it is shown.

    In large pictures it takes blue for red.
    """
    seen = []

    def predict(frames):
        seen.append(tuple(frames.shape[1:3]))
        mask = (frames[..., 0] > 0.7).float()
        if max(frames.shape[1:3]) > 60:
            mask = torch.maximum(mask, (frames[..., 2] > 0.7).float())
        widths = mask.amax(1).sum(-1)
        return mask * (widths >= least)[:, None, None]

    return predict, seen


def clip(side: int, frames: int = 1, at: int = 100, colour: int = 0):
    """Dark frames [f, 192, 320, 3] with a square that moves by 6 pixels a frame."""
    pictures = torch.full((frames, 192, 320, 3), 0.2)
    for number in range(frames):
        left = at + 6 * number
        pictures[number, 60 : 60 + side, left : left + side, colour] = 1
    return pictures


def test_a_large_object_is_found_by_the_first_look():
    predict, seen = red(4)
    mask, level = Look(predict, (192, 320), 40).search(clip(60)[0])
    assert level == 0 and len(seen) == 1
    top, left, bottom, right = boxes_of(mask[None], (192, 320))[0]
    assert (
        abs(top - 60) < 8 and abs(right - 160) < 8 and abs(left - 100) < 8 and abs(bottom - 120) < 8
    )


def test_a_small_one_is_found_in_a_larger_size():
    predict, _ = red(5)
    look = Look(predict, (192, 320), 40)
    mask, level = look.search(clip(12)[0])
    assert level == 2
    box = boxes_of(mask[None], (192, 320))[0]
    assert abs(box.top - 60) < 4 and abs(box.left - 100) < 4


def test_what_the_second_look_does_not_show_is_left():
    predict, seen = red(5)
    mask, level = Look(predict, (192, 320), 40).search(clip(12, colour=2)[0])
    assert level is None and not mask.any()
    assert len(seen) > 4  # all sizes, and second looks at what they showed


def test_a_look_follows_what_it_found_in_both_directions_and_stops_looking():
    predict, seen = red(5)
    frames = clip(12, frames=9)
    look = Look(predict, (192, 320), 40)
    boxes = boxes_of(look.through(frames), (192, 320))
    assert sorted(boxes) == list(range(9))
    for number, box in boxes.items():
        assert abs(box.left - 100 - 6 * number) < 5
    searched = sum(1 for size in seen if max(size) == 160)
    assert searched == 1


def test_an_object_that_is_nowhere_gives_empty_masks():
    predict, seen = red(5)
    look = Look(predict, (192, 320), 40)
    assert not look.through(clip(12, frames=9) * 0).any()
    assert len(seen) == 3 * len(look.levels)


def test_crops_are_left_out_where_the_model_loses_the_object_in_them():
    frames = clip(12, frames=5)
    boxes = {n: Box(60, 100 + 6 * n, 72, 112 + 6 * n) for n in range(5)}
    finds, _ = red(3)
    assert Look(finds, (192, 320), 40).crops(frames, boxes, 5) is not None
    loses, _ = red(100)
    assert Look(loses, (192, 320), 40).crops(frames, boxes, 5) is None


def test_no_size_is_larger_than_the_source():
    look = Look(red(3)[0], (96, 160), 160)
    assert look.levels == [1] and look.size == (96, 160)


@pytest.mark.parametrize(("length", "count"), [(1, 3), (3, 3), (100, 3), (5, 1)])
def test_frames_to_search_are_spread_and_begin_in_the_middle(length, count):
    numbers = spread(length, count)
    assert len(set(numbers)) == min(length, count)
    assert all(0 <= n < length for n in numbers)
    assert abs(numbers[0] - (length - 1) / 2) <= 0.5


def test_an_object_that_jumps_is_looked_for_in_the_whole_frame():
    predict, _ = red(5)
    frames = torch.cat([clip(12, at=20), clip(12, at=280)])
    look = Look(predict, (192, 320), 40)
    boxes = boxes_of(look.through(frames), (192, 320))
    assert abs(boxes[0].left - 20) < 5 and abs(boxes[1].left - 280) < 5


def test_the_last_frame_is_looked_at_too():
    assert every_so_often(10, 4) == [0, 4, 8, 9]
    assert every_so_often(9, 4) == [0, 4, 8]
    assert every_so_often(1, 4) == [0]
