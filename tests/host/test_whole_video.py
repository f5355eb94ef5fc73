"""Whole video files: segments continue from one another, and only the object changes."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from lgvi_core.video.files import VideoReader
from lgvi_core.video.planes import frame_to_rgb
from support.videos import (
    make_video,
    planes_of,
    sound_of,
    times_of,
    with_rotation,
    write_frames,
)

TEXT = 24  # width of the tiny checkpoint's text features


@pytest.fixture
def removal(comfy, loaded):
    """A function that makes a Removal of the random model with changed settings."""

    def make(**changes):
        model, _, vae = loaded
        cond = [[torch.zeros(1, 77, TEXT), {}]]
        values = {
            "model": model,
            "vae": vae,
            "positive": cond,
            "negative": cond,
            "working_size": 64,
            "working_fps": 6.0,
            "seed": 1,
            "steps": 2,
            "text_scale": 2.0,
            "video_scale": 1.0,
            "sampler": "euler",
            "scheduler": "normal",
            "window": 4,
            "overlap": 2,
            "segment": 6,
            "threshold": 0.5,
            "grow": 0,
            "feather": 0,
            "crf": 0,
        }
        return comfy.removal.Removal.from_inputs(**{**values, **changes})

    return make


def square(frames: int, height: int, width: int) -> torch.Tensor:
    """A mask [f, h, w] of a square in the upper left corner."""
    mask = torch.zeros(frames, height, width)
    mask[:, 8:24, 8:24] = 1
    return mask


@pytest.fixture
def dictated(comfy, monkeypatch):
    """Replace the sampler by one that paints grey, masks a square, and records its inputs."""
    calls = []

    def sample(model, conditionings, latent, *rest, source_size):
        samples = latent["samples"]
        kept = int((latent["noise_mask"][:, 0, 0, 0] == 0).sum()) if "noise_mask" in latent else 0
        calls.append((samples[:kept].clone(), conditionings, model))
        result = torch.full_like(samples, float(len(calls)))
        result[:kept] = samples[:kept]
        height, width = (8 * side for side in samples.shape[-2:])
        return {"samples": result}, square(len(samples), height, width)

    monkeypatch.setattr(comfy.removal, "sample_with_mask", sample)
    return calls


def run(comfy, how, source: Path, folder: Path) -> tuple[Path, Path, str, list[str]]:
    result, masks, said = folder / "result.mp4", folder / "masks.mp4", []
    with torch.inference_mode():
        report = comfy.removal.remove(str(source), how, result, masks, said.append)
    return result, masks, report, said


@pytest.mark.parametrize("frames", [1, 5, 6, 7, 14, 24])
@pytest.mark.parametrize(("length", "overlap"), [(6, 2), (2, 1), (100, 8)])
@pytest.mark.parametrize("chunk", [1, 4, 16])
def test_segments_cover_all_frames_and_share_some(comfy, frames, length, overlap, chunk):
    latents = torch.arange(frames).float().view(-1, 1, 1, 1).expand(-1, 4, 2, 2)
    found = list(comfy.removal.segments(iter(latents.split(chunk)), length, overlap))
    assert [segment.last for segment in found] == [False] * (len(found) - 1) + [True]
    new = torch.cat([segment.c_x[segment.kept :, 0, 0, 0] for segment in found])
    assert new.tolist() == list(range(frames))
    assert [segment.kept for segment in found] == [0] + [overlap] * (len(found) - 1)
    assert all(len(segment.c_x) <= length for segment in found)


def test_a_segment_goes_on_from_the_frames_before(comfy, removal, dictated, tmp_path):
    source = make_video(tmp_path / "source.mp4", frames=14)
    _, _, report, said = run(comfy, removal(), source, tmp_path)
    kept = [samples for samples, _, _ in dictated]
    assert [len(samples) for samples in kept] == [0, 2, 2]
    assert (kept[1] == 1).all()
    assert (kept[2] == 2).all()
    lengths = [len(conds[0][0][1]["concat_latent_image"]) for _, conds, _ in dictated]
    assert lengths == [6, 6, 6]
    assert said == [
        "frames 1 to 6 of about 14",
        "frames 7 to 10 of about 14",
        "frames 11 to 14, the last",
    ]
    assert report.splitlines()[0].endswith("14 of 14 frames changed")
    assert dictated[0][2].model_options["context_handler"].stride == 5, "30 fps, seen at 6"


@pytest.mark.parametrize(
    "kind",
    [
        {"frames": 1},
        {"size": (96, 64)},
        {"size": (63, 95), "pixels": "yuv444p"},
        {"codec": "libx265", "pixels": "yuv420p10le", "frames": 8},
        {"times": [0, 30, 65, 130, 131, 200, 233, 300, 301, 400, 500, 640]},
    ],
    ids=str,
)
def test_only_the_object_changes(comfy, removal, dictated, tmp_path, kind):
    source = make_video(tmp_path / "source.mp4", **kind)
    result, masks, _, _ = run(comfy, removal(working_size=0), source, tmp_path)
    for ours, theirs in zip(planes_of(result), planes_of(source), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a[24:] == b[24:]).all()
            assert (a[:, 24:] == b[:, 24:]).all()
        assert (ours[0][8:24, 8:24] != theirs[0][8:24, 8:24]).any()
    assert times_of(result) == pytest.approx(times_of(source), abs=1e-3)
    assert (sound_of(result) == sound_of(source)).all()
    assert sound_of(masks) is None
    with VideoReader(masks) as reader:
        shown = torch.stack([frame_to_rgb(frame)[..., 0] for frame in reader])
    assert (shown[:, 10:22, 10:22] > 0.98).all()
    assert (shown[:, 26:, 26:] < 0.02).all()


def test_a_phone_clip_comes_back_upright(comfy, removal, dictated, tmp_path):
    plain = make_video(tmp_path / "plain.mp4", sound=None)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(with_rotation(plain.read_bytes(), 1))
    result, _, _, _ = run(comfy, removal(working_size=0), turned, tmp_path)
    for ours, theirs in zip(planes_of(result), planes_of(turned), strict=True):
        assert ours[0].shape == (96, 64)
        assert (ours[0][24:] == theirs[0][24:]).all()


def test_where_nothing_is_found_the_video_stays(comfy, removal, tmp_path, monkeypatch):
    def nothing(model, conditionings, latent, *rest, source_size):
        samples = latent["samples"]
        return {"samples": samples}, torch.zeros(len(samples), *(8 * s for s in samples.shape[-2:]))

    monkeypatch.setattr(comfy.removal, "sample_with_mask", nothing)
    source = make_video(tmp_path / "source.mp4")
    result, _, report, _ = run(comfy, removal(), source, tmp_path)
    for ours, theirs in zip(planes_of(result), planes_of(source), strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    assert report.splitlines()[0].endswith("0 of 12 frames changed")
    assert "Nothing was found: the mask is empty." in report


def test_the_real_sampler_keeps_what_was_made(comfy, removal, tmp_path, monkeypatch):
    made = []
    original = comfy.removal.sample_with_mask

    def noted(*arguments, **options):
        sampled, mask = original(*arguments, **options)
        made.append(sampled["samples"])
        return sampled, mask

    monkeypatch.setattr(comfy.removal, "sample_with_mask", noted)
    source = make_video(tmp_path / "source.mp4", frames=9)
    result, _, _, _ = run(comfy, removal(threshold=0.0), source, tmp_path)
    first, second = made
    assert first.shape[0] == 6
    assert torch.allclose(second[:2], first[-2:], atol=1e-4)
    assert len(times_of(result)) == 9


def test_cancelling_leaves_no_file(comfy, removal, tmp_path, monkeypatch):
    def cancel(*_, **__):
        raise comfy.management.InterruptProcessingException

    monkeypatch.setattr(comfy.removal, "sample_with_mask", cancel)
    source = make_video(tmp_path / "source.mp4")
    with pytest.raises(comfy.management.InterruptProcessingException):
        run(comfy, removal(), source, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4"]


def test_impossible_settings_are_refused(comfy, removal, tmp_path):
    source = make_video(tmp_path / "source.mp4")
    with pytest.raises(comfy.errors.LGVIError, match="make segment larger"):
        run(comfy, removal(segment=2), source, tmp_path)
    with pytest.raises(comfy.errors.LGVIError, match="cannot be opened as a video"):
        run(comfy, removal(), tmp_path / "absent.mp4", tmp_path)


def test_every_kind_of_video_has_a_source(comfy, tmp_path):
    source = make_video(tmp_path / "source.mp4")
    assert comfy.files.source_of(comfy.video.VideoFromFile(str(source))) == str(source)
    components = comfy.video.VideoFromFile(str(source)).get_components()
    made = comfy.files.source_of(comfy.video.VideoFromComponents(components))
    with VideoReader(made) as reader:
        assert sum(1 for _ in reader) == 12


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("channels", [1, 2])
def test_frames_of_other_nodes_become_a_file_without_loss(comfy, size, channels):
    """The sizes may be odd, which ComfyUI's own saving refuses."""
    height, width = size
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([rows / height, columns / width, torch.full_like(rows / 1, 0.5)], -1)
    images = torch.stack([image, image.flip(1), 1 - image])
    sound = {"waveform": torch.rand(1, channels, 8000) / 2, "sample_rate": 16000}
    parts = comfy.types.VideoComponents(images=images, audio=sound, frame_rate=Fraction(12))
    made = comfy.files.source_of(comfy.video.VideoFromComponents(parts))
    with VideoReader(made) as reader:
        assert reader.info.size == size and reader.info.fps == pytest.approx(12)
        frames = torch.stack([frame_to_rgb(frame) for frame in reader])
    assert (frames - images).abs().max() < 0.03
    with av.open(str(made)) as file:
        assert file.streams.audio[0].layout.nb_channels == channels
        assert file.streams.audio[0].rate == 16000


def test_a_model_without_masks_is_refused_before_anything_is_sampled(
    comfy, removal, dictated, tmp_path
):
    source = make_video(tmp_path / "source.mp4")
    how = removal()
    network = how.model.model.diffusion_model
    decoder, network.mask_decoder = network.mask_decoder, None
    try:
        with pytest.raises(comfy.errors.LGVIError, match="has no mask decoder"):
            run(comfy, how, source, tmp_path)
    finally:
        network.mask_decoder = decoder
    assert not dictated
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4"]


@pytest.fixture
def shown_from_here_on(comfy, monkeypatch):
    """Replace the sampler by one that sees an object in frames brighter than 0.5, and counts."""
    calls = []

    def sample(model, conditionings, latent, *rest, **more):
        c_x = conditionings[0][0][1]["concat_latent_image"]
        calls.append(len(c_x))
        height, width = (8 * side for side in c_x.shape[-2:])
        bright = c_x.flatten(1).mean(1) > 0
        return {"samples": c_x}, square(len(c_x), height, width) * bright[:, None, None]

    for module in (comfy.removal, comfy.first_look):
        monkeypatch.setattr(module, "sample_with_mask", sample)
    return calls


class PlainVAE:
    """Latents are each cell's mean brightness above one half; it counts what it is given."""

    def __init__(self) -> None:
        self.encoded = self.decoded = 0

    def encode(self, images):
        self.encoded += len(images)
        cells = torch.nn.functional.avg_pool2d(images.mean(-1)[:, None], 8) - 0.5
        return cells.expand(-1, 4, -1, -1).clone()

    def decode(self, latents):
        self.decoded += len(latents)
        return torch.full((len(latents), *(8 * s for s in latents.shape[-2:]), 3), 0.5)


@pytest.mark.parametrize("background", [False, True])
def test_frames_with_an_empty_mask_are_not_decoded(
    comfy, removal, shown_from_here_on, tmp_path, background
):
    vae, source = PlainVAE(), make_bright(tmp_path / "source.mp4", 24, range(8, 12))
    _, _, report, _ = run(
        comfy, removal(vae=vae, background=background, segment=8), source, tmp_path
    )
    assert "; 4 of 24 frames changed" in report
    if background:
        # The camera stands still, so that one frame's painting serves all that show the square.
        assert 0 <= vae.decoded <= 2
    else:
        assert vae.decoded == 4


def make_bright(path: Path, frames: int, bright: range) -> Path:
    """Write a video that is dark but for the frames `bright`."""
    images = torch.full((frames, 64, 64, 3), 0.2)
    images[bright.start : bright.stop] = 0.9
    return write_frames(path, images)


def test_a_first_look_leaves_out_segments_without_the_object(
    comfy, removal, shown_from_here_on, tmp_path
):
    source = make_bright(tmp_path / "source.mp4", 60, range(30, 36))
    how = {"segment": 8, "overlap": 2, "window": 8, "working_fps": 0.0}
    every, plain = PlainVAE(), removal(**how)
    whole, _, _, _ = run(comfy, replace(plain, vae=every), source, tmp_path)
    sampled = sum(shown_from_here_on)
    shown_from_here_on.clear()
    (tmp_path / "look").mkdir()
    few = PlainVAE()
    looked, _, report, _ = run(
        comfy, replace(plain, vae=few, look_every=4), source, tmp_path / "look"
    )
    assert "first look: the object is in 1 of 15 frames" in report
    assert "; 6 of 60 frames changed" in report
    assert sum(shown_from_here_on) <= 15 + 3 * 8 < sampled
    assert few.encoded < every.encoded / 1.2
    for ours, theirs in zip(planes_of(looked), planes_of(whole), strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 40, 61])
@pytest.mark.parametrize(("length", "overlap"), [(8, 2), (5, 4), (100, 8)])
def test_the_look_cuts_segments_as_the_removal_does(comfy, frames, length, overlap):
    latents = torch.zeros(frames, 4, 2, 2)
    cut = comfy.removal.segments(iter(latents.split(16)), length, overlap)
    everywhere = comfy.first_look.FirstLook(frames, 1, tuple(range(frames)), frames)
    ranges = everywhere.segments(length, overlap)
    assert [(r.start, len(r)) for r in ranges] == [(s.start, len(s.c_x)) for s in cut]


def test_no_look_is_a_number_of_frames(comfy, removal):
    with pytest.raises(comfy.errors.LGVIError, match="look_every must be 0"):
        removal(look_every=-1)


@pytest.fixture
def seen_where_bright(comfy, monkeypatch):
    """Replace the sampler by one that sees bright cells of the latent, and makes them dark."""

    def sample(model, conditionings, latent, *rest, **more):
        c_x = conditionings[0][0][1]["concat_latent_image"]
        mask = (c_x[:, :1] > 0.2).float().repeat_interleave(8, 2).repeat_interleave(8, 3)
        return {"samples": torch.full_like(c_x, -0.3)}, mask[:, 0]

    for module in (comfy.removal, comfy.first_look):
        monkeypatch.setattr(module, "sample_with_mask", sample)


def make_small(path: Path, side: int, frames: int = 12) -> Path:
    """Write a dark video with a bright square that moves to the right by 8 pixels a frame."""
    images = torch.full((frames, 240, 384, 3), 0.2)
    for number in range(frames):
        images[number, 96 : 96 + side, 96 + 8 * number : 96 + side + 8 * number] = 0.95
    return write_frames(path, images)


def bright_share(path: Path) -> float:
    with VideoReader(path) as video:
        return max(float((frame_to_rgb(frame) > 0.7).float().mean()) for frame in video)


@pytest.mark.parametrize("background", [False, True])
def test_a_small_object_is_worked_on_in_a_crop_that_follows_it(
    comfy, removal, seen_where_bright, tmp_path, background
):
    source = make_small(tmp_path / "source.mp4", 24)
    how = removal(vae=PlainVAE(), working_fps=0.0, background=background, feather=2, grow=8)
    (tmp_path / "whole").mkdir()
    whole, _, report, _ = run(comfy, how, source, tmp_path / "whole")
    assert "0 of 12 frames changed" in report
    assert bright_share(whole) == bright_share(source) > 0.005
    result, _, report, _ = run(comfy, replace(how, crop=True), source, tmp_path)
    assert "a crop that follows the object" in report
    assert "12 of 12 frames changed" in report
    assert bright_share(result) < 0.0005
    for ours, theirs in zip(planes_of(result), planes_of(source), strict=True):
        assert (ours[0][:80] == theirs[0][:80]).all()
        assert (ours[0][140:] == theirs[0][140:]).all()


def test_a_large_object_is_worked_on_in_the_whole_frame(
    comfy, removal, seen_where_bright, tmp_path
):
    source = make_small(tmp_path / "source.mp4", 96)
    how = removal(vae=PlainVAE(), working_fps=0.0, crop=True)
    _, _, report, _ = run(comfy, how, source, tmp_path)
    assert "crop" not in report
    assert "12 of 12 frames changed" in report


def test_a_crop_is_left_out_where_nothing_is_found(comfy, removal, seen_where_bright, tmp_path):
    source = make_bright(tmp_path / "source.mp4", 6, range(0))
    _, _, report, _ = run(comfy, removal(vae=PlainVAE(), crop=True), source, tmp_path)
    assert "first look: the object is in 0 of" in report
    assert "0 of 6 frames changed" in report
