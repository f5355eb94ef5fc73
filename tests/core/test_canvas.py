"""Canvas: any frame size goes in, exactly that size comes out, and nothing is stretched."""

import pytest
import torch

from lgvi_core.canvas import check_frames, fit_canvas, from_canvas, locate, to_canvas
from lgvi_core.errors import LGVIError

SIZES = [(320, 512), (1920, 1080), (1080, 1920), (719, 405), (100, 60), (97, 8), (1, 1), (720, 721)]


@pytest.mark.parametrize("source", SIZES)
@pytest.mark.parametrize("long_side", [0, 104, 160, 512])
def test_fit_is_found_again_from_the_sizes_alone(source, long_side):
    fit = fit_canvas(source, long_side)
    assert locate(source, fit.canvas) == fit
    assert all(side % 8 == 0 for side in fit.canvas)
    assert all(0 <= big - small < 8 for big, small in zip(fit.canvas, fit.content, strict=True))


@pytest.mark.parametrize("source", SIZES)
def test_nothing_is_stretched(source):
    fit = fit_canvas(source, 512)
    scale = max(fit.content) / max(source)
    # The content has whole pixels, so that a side is at most one pixel off.
    for content, side in zip(fit.content, source, strict=True):
        assert abs(content - side * scale) <= 1


@pytest.mark.parametrize("source", [(96, 160), (50, 75), (33, 90)])
@pytest.mark.parametrize("long_side", [0, 64, 160])
def test_round_trip_restores_size_and_picture(source, long_side):
    y, x = torch.meshgrid(
        torch.linspace(0, 1, source[0]), torch.linspace(0, 1, source[1]), indexing="ij"
    )
    frames = torch.stack([x, y, (x + y) / 2], dim=-1)[None].repeat(20, 1, 1, 1)
    fit = fit_canvas(source, long_side)
    canvas = to_canvas(frames, fit)
    assert canvas.shape[1:3] == fit.canvas
    back = from_canvas(canvas, fit)
    assert back.shape == frames.shape
    assert (back - frames).abs().max() < 0.05


def test_padding_alone_restores_every_bit():
    frames = torch.rand(2, 33, 90, 3)
    fit = fit_canvas((33, 90), 0)
    assert torch.equal(from_canvas(to_canvas(frames, fit), fit), frames)


def test_what_was_done_is_said():
    assert fit_canvas((320, 512), 512).describe() == "512 x 320: used as it is"
    assert fit_canvas((50, 75), 0).describe() == "75 x 50: kept, padded to 80 x 56"
    text = fit_canvas((1080, 1920), 512).describe()
    assert text == "1920 x 1080: resized to 512 x 288"


def test_result_of_another_clip_is_refused():
    with pytest.raises(LGVIError, match="512 x 320 does not come from frames of 100 x 60"):
        locate((60, 100), (320, 512))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.zeros(0, 8, 8, 3), "clip is empty"),
        (torch.zeros(2, 8, 8, 4), "RGB images"),
        (torch.zeros(8, 8, 3), "RGB images"),
        (torch.full((1, 8, 8, 3), float("nan")), "NaN"),
        (torch.full((1, 8, 8, 3), float("inf")), "NaN or infinite"),
    ],
)
def test_unusable_frames_are_refused(frames, message):
    with pytest.raises(LGVIError, match=message):
        check_frames(frames)
