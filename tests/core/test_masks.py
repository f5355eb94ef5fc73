"""Masks: soft edges, compositing that keeps the other pixels bit for bit, and drawing."""

import pytest
import torch
from torch.nn import functional as F

from lgvi_core.canvas import fit_canvas, from_canvas
from lgvi_core.errors import LGVIError
from lgvi_core.masks import check_mask, composite, latent_mask_to_frames, overlay, soft_mask
from lgvi_core.settings import MaskSettings

NINE = fit_canvas((9, 9), 0)


def dot(size=41, value=1.0):
    mask = torch.zeros(1, size, size)
    mask[0, size // 2, size // 2] = value
    return mask


def test_grow_and_feather_reach_exactly_as_far_as_they_say():
    opacity = soft_mask(dot(), MaskSettings(0.5, grow=3, feather=5))[0]
    centre = 20
    assert (opacity[centre - 3 : centre + 4, centre - 3 : centre + 4] == 1).all()
    outside = opacity.clone()
    outside[centre - 8 : centre + 9, centre - 8 : centre + 9] = 0
    assert (outside == 0).all()
    ramp = opacity[centre, centre + 3 : centre + 9]
    assert (ramp.diff() <= 0).all()
    assert 0 < ramp[2] < 1


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (96, 160), (1080, 1920), (2160, 3840)])
def test_an_automatic_margin_is_as_large_as_the_models_cells(size):
    """lgvi-mini sees 20 cells along the longer side, in a clip of any size."""
    cell = max(size) / 20
    settings = MaskSettings().in_pixels(size, fit_canvas(size, 160).cell)
    assert settings.grow == round(0.75 * cell)
    assert settings.feather == round(0.375 * cell)


def test_without_a_model_an_automatic_margin_is_that_of_the_official_size():
    assert MaskSettings().in_pixels((320, 512)) == MaskSettings().in_pixels((320, 512), 8.0)
    assert MaskSettings().in_pixels((2160, 3840)) == MaskSettings(0.5, 45, 22)


def test_an_automatic_margin_is_never_finer_than_the_official_size():
    """A result that was brought to the clip's size before says nothing of the model's cells."""
    assert MaskSettings().in_pixels((2160, 3840), 8.0) == MaskSettings(0.5, 45, 22)


def test_grow_adds_to_the_automatic_margin():
    assert MaskSettings(grow=5).in_pixels((96, 160), 8.0) == MaskSettings(0.5, 11, 3)
    assert MaskSettings(grow=-2).in_pixels((96, 160), 8.0) == MaskSettings(0.5, 4, 3)


@pytest.mark.parametrize("numbers", [(8, 8), (0, 0), (-1, 0), (-256, 256)])
def test_numbers_stay_pixels(numbers):
    """What a saved workflow holds means the same as ever, whatever the model's cells are."""
    settings = MaskSettings(0.5, *numbers)
    assert settings.in_pixels((2160, 3840), 192.0) == settings


def test_an_automatic_margin_covers_what_a_coarse_mask_leaves():
    mask = torch.zeros(1, 192, 320)
    mask[:, 80:112, 80:112] = 1
    opacity = soft_mask(mask, MaskSettings(), fit_canvas((192, 320), 160).cell)
    assert (opacity[:, 68:124, 68:124] == 1).all()
    assert opacity[:, 62 - 1].sum() == opacity[:, 130].sum() == 0


def test_negative_grow_shrinks():
    mask = torch.zeros(1, 20, 20)
    mask[:, 5:15, 5:15] = 1
    assert soft_mask(mask, MaskSettings(0.5, grow=-2, feather=0)).sum() == 36


def test_threshold_zero_keeps_an_empty_mask_empty():
    assert soft_mask(torch.zeros(2, 8, 8), MaskSettings(0.0, 4, 4)).sum() == 0


@pytest.mark.parametrize(("grow", "feather"), [(0, 0), (3, 5)])
def test_composite_keeps_the_source_bit_for_bit_outside(grow, feather):
    source, result = torch.rand(3, 41, 41, 3), torch.rand(3, 48, 48, 3)
    opacity = soft_mask(dot().repeat(3, 1, 1), MaskSettings(0.5, grow, feather))
    out = composite(source, result, opacity, fit_canvas((41, 41), 0))
    untouched = opacity == 0
    assert torch.equal(out[untouched], source[untouched])
    assert torch.equal(out[opacity == 1], result[:, :41, :41][opacity == 1])


def test_empty_mask_returns_the_source_untouched():
    source = torch.rand(2, 9, 9, 3)
    out = composite(source, torch.rand(2, 16, 16, 3), torch.zeros(2, 9, 9), NINE)
    assert torch.equal(out, source)


def test_one_mask_serves_all_frames():
    source, result = torch.zeros(2, 9, 9, 3), torch.ones(2, 16, 16, 3)
    out = composite(source, result, torch.ones(1, 9, 9), NINE)
    assert torch.equal(out, torch.ones_like(source))


def test_inputs_are_not_changed():
    source, mask = torch.rand(1, 9, 9, 3), dot(9)
    copies = source.clone(), mask.clone()
    composite(source, torch.ones(1, 16, 16, 3), soft_mask(mask, MaskSettings(0.5, 2, 2)), NINE)
    overlay(source, mask, (1, 0, 0), 0.5, 1)
    assert torch.equal(source, copies[0])
    assert torch.equal(mask, copies[1])


def test_overlay_tints_inside_outlines_around_and_leaves_the_rest():
    frames, mask = torch.zeros(1, 11, 11, 3), torch.zeros(1, 11, 11)
    mask[:, 4:7, 4:7] = 1
    out = overlay(frames, mask, (1.0, 0.0, 0.0), tint=0.5, outline=1)[0]
    assert torch.allclose(out[5, 5], torch.tensor([0.5, 0, 0]))
    assert torch.equal(out[3, 5], torch.tensor([1.0, 0, 0]))
    assert out[0].sum() == 0


def test_latent_mask_comes_out_in_the_source_size_and_place():
    fit = fit_canvas((50, 75), 0)
    mask = torch.zeros(2, fit.canvas[0] // 8, fit.canvas[1] // 8)
    mask[:, :, 0] = 1
    out = latent_mask_to_frames(mask, fit)
    assert out.shape == (2, 50, 75)
    assert out[:, :, :4].min() == 1
    assert out[:, :, 13:].max() == 0


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(3, 8, 8), "mask has 3 frames, the clip has 2"),
        (torch.zeros(2, 8, 9), "mask is 9 x 8 pixels, the frames are 8 x 8"),
        (torch.zeros(8, 8), r"must be \[frames, height, width\]"),
        (torch.full((2, 8, 8), float("nan")), "NaN"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask, message):
    with pytest.raises(LGVIError, match=message):
        check_mask(mask, 2, {(8, 8)})


def plain_soft_mask(mask, grow, feather):
    """The same over whole frames, by pooling."""

    def grown(x, radius):
        return F.max_pool2d(x, 2 * radius + 1, 1, radius)

    hard = (mask >= 0.5).float()[None]
    hard = grown(hard, grow) if grow >= 0 else 1 - grown(1 - hard, -grow)
    blur = feather // 2
    hard = grown(hard, feather - blur)
    size = 2 * blur + 1
    return F.avg_pool2d(hard, size, 1, blur, count_include_pad=False)[0]


@pytest.mark.parametrize("feather", [0, 1, 5])
@pytest.mark.parametrize("grow", [-5, 0, 4])
@pytest.mark.parametrize(
    "place", [(0, 3, 0, 40), (17, 18, 20, 21), (0, 30, 0, 40), (22, 30, 33, 40), (5, 25, 9, 31)]
)
def test_only_the_place_of_the_mask_is_computed_with_the_same_result(place, grow, feather):
    top, bottom, left, right = place
    mask = torch.zeros(1, 30, 40)
    mask[:, top:bottom, left:right] = 1
    found = soft_mask(mask, MaskSettings(0.5, grow, feather))
    assert torch.allclose(found, plain_soft_mask(mask, grow, feather), atol=1e-6)


def test_what_is_watched_may_stop_every_pass():
    frames, mask = torch.rand(4, 16, 16, 3), torch.ones(4, 16, 16)
    fit = fit_canvas((16, 16), 8)
    small = torch.rand(4, *fit.canvas, 3)
    passes = [
        lambda watch: soft_mask(mask, MaskSettings(), watch=watch),
        lambda watch: composite(frames, small, mask, fit, watch),
        lambda watch: overlay(frames, mask, (1, 0, 0), 0.5, 1, watch),
        lambda watch: from_canvas(small, fit, watch),
    ]
    for run in passes:
        seen = []
        run(lambda seen=seen: seen.append(1))
        assert len(seen) == 4
