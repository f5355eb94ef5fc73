"""LGVI Create Video: any size is saved, and what that means is said."""

import importlib
from fractions import Fraction

import av
import pytest
import torch


@pytest.fixture
def node(comfy):
    module = importlib.import_module("lgvi_pack.nodes.create_video")
    return module.CreateVideo.PREPARE_CLASS_CLONE(None)


def saved(video, folder):
    """The file as ComfyUI's Save Video writes it with its defaults."""
    path = folder / "saved.mp4"
    video.save_to(str(path))
    return path


@pytest.mark.parametrize(
    ("width", "height", "pixels"), [(64, 48, "yuv420p"), (65, 48, "yuv444p"), (63, 49, "yuv444p")]
)
def test_any_size_is_saved_with_its_rate_and_sound(node, tmp_path, width, height, pixels):
    images = torch.full((10, height, width, 3), 0.5)
    sound = {"waveform": torch.zeros(1, 2, 96_000), "sample_rate": 48_000}
    output = node.execute(images=images, fps=29.97002997, crf=16, audio=sound)
    odd = pixels == "yuv444p"
    assert (output.ui is not None) == odd
    if odd:
        assert f"{width} x {height} pixels" in output.ui.as_dict()["text"][0]
    with av.open(str(saved(output.args[0], tmp_path))) as file:
        stream, track = file.streams.video[0], file.streams.audio[0]
        assert (stream.width, stream.height, stream.format.name) == (width, height, pixels)
        assert stream.average_rate == Fraction(30_000, 1001)
        assert float(track.duration * track.time_base) == pytest.approx(10 / 29.97, abs=0.05)
        assert sum(1 for _ in file.decode(video=0)) == 10


def test_quality_is_the_persons_choice(node, tmp_path):
    images = torch.rand(4, 64, 96, 3, generator=torch.Generator().manual_seed(1))
    sizes = [
        saved(node.execute(images=images, fps=24.0, crf=crf).args[0], tmp_path).stat().st_size
        for crf in (0, 16, 40)
    ]
    assert sizes[0] > sizes[1] > sizes[2]
