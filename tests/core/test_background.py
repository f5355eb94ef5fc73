"""The background from other frames: what they show comes back, what none shows is painted."""

import cv2
import numpy as np
import pytest
import torch

from lgvi_core.background import (
    BackgroundSettings,
    Filled,
    MaskedFrame,
    dis,
    fill_background,
    fill_stream,
    raft,
)
from lgvi_core.background.cuts import is_cut, thumbnail
from lgvi_core.background.inpaint import compared
from lgvi_core.errors import LGVIError
from tools.background_clips import Drawn, drawn, photograph
from tools.background_measures import psnr, warping_ratio

QUICK = BackgroundSettings(reach=12)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pan() -> Drawn:
    return drawn("pan", 12)


def tensors(clip: Drawn) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(clip.frames), torch.from_numpy(clip.mask)


def fill(clip: Drawn, settings: BackgroundSettings = QUICK) -> Filled:
    return fill_background(*tensors(clip), settings=settings)


def noise(f: int = 3, h: int = 40, w: int = 56) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (f, h, w, 3), np.uint8))


def square(f: int = 3, h: int = 40, w: int = 56) -> torch.Tensor:
    mask = torch.zeros(f, h, w)
    mask[:, 12:24, 20:34] = 1
    return mask


@pytest.mark.parametrize(
    ("kind", "decibels"),
    [("pan", 36), ("zoom", 36), ("shake", 36), ("moving object", 45)],
)
def test_what_other_frames_show_comes_back(kind, decibels):
    clip = drawn(kind, 10)
    done = fill(clip)
    found = clip.seen & (done.unseen.numpy() == 0)
    assert found.sum() > 0.85 * clip.seen.sum()
    assert psnr(done.frames.numpy(), clip.truth, found) > decibels


@pytest.mark.slow
def test_result_moves_as_steadily_as_the_true_background(pan):
    assert warping_ratio(fill(pan).frames.numpy(), pan.truth, pan.mask) < 1.05


@pytest.mark.slow
def test_colours_follow_the_exposure():
    clip = drawn("exposure", 12)
    matched, raw = (
        fill(clip, BackgroundSettings(reach=12, match_colours=choice)) for choice in (True, False)
    )
    assert psnr(matched.frames.numpy(), clip.truth, clip.seen) > 34
    assert psnr(raw.frames.numpy(), clip.truth, clip.seen) > 30


@pytest.mark.slow
def test_what_stands_in_front_stays_and_is_not_smeared():
    clip = drawn("occluder", 24)
    done = fill(clip, BackgroundSettings(reach=24))
    kept = clip.mask == 0
    assert np.array_equal(done.frames.numpy()[kept], clip.frames[kept])
    assert psnr(done.frames.numpy(), clip.truth, clip.seen) > 30


@pytest.mark.slow
def test_two_depths_behind_one_hole_need_two_motions():
    clip = drawn("depths", 14)
    two, one = (fill(clip, BackgroundSettings(reach=14, motions=n)).frames.numpy() for n in (2, 1))
    assert psnr(two, clip.truth, clip.seen) > psnr(one, clip.truth, clip.seen) + 1


def test_everything_outside_the_mask_comes_back_bit_for_bit(pan):
    frames, mask = tensors(pan)
    mask = mask.clone()
    mask[3] = 0
    before = frames.clone()
    done = fill_background(frames, mask, settings=QUICK)
    assert torch.equal(done.frames[mask == 0], frames[mask == 0])
    assert torch.equal(done.frames[3], frames[3])
    assert not torch.equal(done.frames[4], frames[4])
    assert torch.equal(frames, before)
    assert (done.unseen[mask == 0] == 0).all()


def test_a_soft_mask_lays_over_by_its_opacity(pan):
    frames, mask = tensors(pan)
    full = fill_background(frames[:4], mask[:4], settings=QUICK).frames.float()
    half = fill_background(frames[:4], mask[:4] * 0.5, settings=QUICK).frames.float()
    inside = mask[:4] > 0
    mean = (full + frames[:4].float()) / 2
    assert (half - mean)[inside].abs().max() <= 1


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.uint16])
def test_other_types_give_the_same_picture_in_their_own_depth(pan, kind):
    frames, mask = tensors(pan)
    frames, mask = frames[:5], mask[:5]
    bytes_ = fill_background(frames, mask, settings=QUICK)
    scaled = frames.float() / 255 if kind.is_floating_point else frames.float() * 257
    done = fill_background(scaled.to(kind), mask, settings=QUICK)
    assert done.frames.dtype == kind
    back = done.frames.float() * 255 if kind.is_floating_point else done.frames.float() / 257
    assert (back - bytes_.frames.float()).abs()[mask > 0].mean() < 0.6


def test_flow_at_reduced_size_samples_at_full_size(pan):
    large = [np.repeat(np.repeat(x, 2, 1), 2, 2) for x in (pan.frames, pan.truth, pan.mask)]
    frames, truth, mask = large
    settings = BackgroundSettings(reach=12, flow_side=384)
    done = fill_background(
        torch.from_numpy(frames[:6]), torch.from_numpy(mask[:6]), settings=settings
    )
    found = (mask[:6] > 0) & (done.unseen.numpy() == 0)
    assert psnr(done.frames.numpy(), truth[:6], found) > 30


@pytest.mark.slow
def test_no_path_crosses_a_cut(pan):
    other = drawn("moving object", 4)
    red = other.frames.copy()
    red[..., 1:] //= 4
    frames = torch.from_numpy(np.concatenate([pan.frames[:6], red[:, ::-1, ::-1].copy()]))
    mask = torch.from_numpy(np.concatenate([pan.mask[:6], other.mask[:, ::-1, ::-1].copy()]))
    joined = fill_background(frames, mask, settings=QUICK)
    parts = [
        fill_background(frames[part], mask[part], settings=QUICK)
        for part in (slice(6), slice(6, 10))
    ]
    apart = torch.cat([part.frames for part in parts])
    assert torch.equal(joined.unseen, torch.cat([part.unseen for part in parts]))
    assert (joined.frames.int() - apart.int()).abs().max() <= 4  # of the other scene: over 100


def test_cuts_are_told_from_motion_and_flashes():
    clip, none = drawn("pan", 2), np.zeros((216, 384), bool)
    one, other = (thumbnail(frame, none) for frame in clip.truth)
    flash = thumbnail((clip.truth[1] * 0.5 + 127).astype(np.uint8), none)
    scene = thumbnail(drawn("depths", 1).truth[0][::-1].copy(), none)
    assert not is_cut(one, other)
    assert not is_cut(one, flash)
    assert is_cut(one, scene)


def test_what_never_moves_is_painted_once_and_stays_still():
    frames = noise(1).repeat(20, 1, 1, 1)
    mask = square(20)
    done = fill_background(frames, mask, settings=BackgroundSettings(reach=4))
    assert (done.unseen[mask > 0] == 1).all()
    assert (done.frames == done.frames[0]).all()
    assert not torch.equal(done.frames, frames)


def test_a_painting_is_used_where_nothing_is_seen_and_joins_its_surroundings():
    frames = torch.full((3, 40, 56, 3), 100, dtype=torch.uint8)
    painting = torch.full_like(frames, 120)
    painting[:, 16:20, 24:30] = 220
    done = fill_background(frames, square(), painting)
    assert (done.frames[:, 17, 26].int() - 200).abs().max() < 8
    assert (done.frames[:, 13, 21].int() - 100).abs().max() < 8


def test_a_painting_may_be_smaller_than_the_frames():
    frames = torch.full((3, 40, 56, 3), 100, dtype=torch.uint8)
    painting = torch.full((3, 20, 28, 3), 0.4)
    painting[:, 7:11, 11:16] = 0.9
    done = fill_background(frames, square(), painting)
    assert (done.frames[:, 17, 26].int() - 227).abs().max() < 14
    assert (done.frames[:, 13, 21].int() - 100).abs().max() < 8
    with pytest.raises(LGVIError, match="shows all of it"):
        fill_background(frames, square(), painting[:, :15])


@pytest.mark.parametrize(("photo", "painted"), [("coffee", True), ("smooth", False)])
def test_the_painting_counts_where_the_classical_way_fails(photo, painted):
    """A blotchy painting beats smeared texture, and loses before a smooth sky."""
    ramp = np.linspace(60, 100, 128)[None, :, None].repeat(128, 0).repeat(3, 2)
    truth = (photograph(photo)[150:278, 150:278] if photo != "smooth" else ramp).astype(np.uint8)
    blotches = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, truth.shape), (0, 0), 3)
    painting = (truth + blotches).clip(0, 255).astype(np.uint8)
    hole = np.zeros((128, 128), bool)
    hole[40:80, 50:90] = True
    spoiled = np.where(hole[..., None], 0, truth).astype(np.uint8)
    _, share = compared(spoiled, painting, hole)
    assert (share[hole] > 0.9).all() if painted else (share[hole] < 0.1).all()


@pytest.mark.slow
def test_reach_limits_how_far_a_pixel_comes_from(pan):
    near, far = (fill(pan, BackgroundSettings(reach=n)).unseen.sum() for n in (2, 12))
    assert near > 4 * far + 100


@pytest.mark.slow
def test_the_stream_gives_what_the_whole_clip_gives(pan):
    frames, mask = tensors(pan)
    settings = BackgroundSettings(reach=3)
    whole = fill_background(frames, mask, settings=settings)
    parts = list(fill_stream((MaskedFrame(*x) for x in zip(frames, mask, strict=True)), settings))
    assert torch.equal(torch.stack([part.frames for part in parts]), whole.frames)
    assert torch.equal(torch.stack([part.unseen for part in parts]), whole.unseen)


@pytest.mark.slow
def test_the_stream_holds_a_bounded_number_of_frames():
    taken = 0

    def source():
        nonlocal taken
        for _ in range(60):
            taken += 1
            yield MaskedFrame(noise(1)[0], square(1)[0])

    for number, _ in enumerate(fill_stream(source(), BackgroundSettings(reach=4))):
        assert taken - number <= 8 + 4 + 8


def test_one_frame_and_a_full_mask_are_painted():
    one = fill_background(noise(1), square(1))
    assert (one.unseen == square(1)).all()
    everything = fill_background(noise(), torch.ones(3, 40, 56))
    assert (everything.unseen == 1).all()


def test_an_empty_mask_changes_nothing():
    frames = noise()
    done = fill_background(frames, torch.zeros(3, 40, 56))
    assert torch.equal(done.frames, frames)
    assert done.unseen.sum() == 0


def test_one_mask_serves_all_frames():
    single, several = (fill_background(noise(), square(n)).frames for n in (1, 3))
    assert torch.equal(single, several)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 16)])
def test_tiny_frames_are_no_problem(size):
    mask = torch.zeros(2, *size)
    mask[:, 0, 0] = 1
    assert fill_background(noise(2, *size), mask).frames.shape == (2, *size, 3)


@pytest.mark.parametrize(
    ("frames", "mask", "painting", "says"),
    [
        (noise(), square(2), None, "2 frames, the clip has 3"),
        (noise(), square(3, 41), None, "56 x 41 pixels, the frames are 56 x 40"),
        (noise(), square()[0], None, r"\[frames, height, width\]"),
        (noise(), square() * float("nan"), None, "NaN"),
        (noise().float() * float("nan"), square(), None, "NaN"),
        (noise()[..., :2], square(), None, "RGB"),
        (noise()[:0], square()[:0], None, "empty"),
        (noise(), square(), noise(2), "one painted frame for each frame"),
        (noise(), square(), noise()[..., :1], "painting"),
    ],
)
def test_wrong_input_is_named(frames, mask, painting, says):
    with pytest.raises(LGVIError, match=says):
        fill_background(frames, mask, painting)


def test_a_frame_of_another_size_in_a_stream_is_named():
    shown = [MaskedFrame(noise(1)[0], square(1)[0]), MaskedFrame(noise(1, 30)[0], square(1, 30)[0])]
    with pytest.raises(LGVIError, match="frame 1 is 30 x 56 x 3"):
        list(fill_stream(shown))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reach": 0}, "reach must be 1 or more, got 0"),
        ({"motions": 3}, "motions must be 1 or 2"),
        ({"landing_limit": 0.0}, "landing_limit must be above 0"),
        ({"flow_side": 8}, "flow_side must be 32"),
    ],
)
def test_settings_without_meaning_are_named(change, says):
    with pytest.raises(LGVIError, match=says):
        BackgroundSettings(**change)


@pytest.mark.slow
def test_flows_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(LGVIError, match="no DIS preset is called"):
        dis("quick")
    with pytest.raises(LGVIError, match="no weights of RAFT"):
        raft(tmp_path / "raft.pth")
