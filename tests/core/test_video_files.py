"""Reading and writing of video files: what must not change stays, in files of many kinds."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from lgvi_core.errors import LGVIError
from lgvi_core.video.colour import Coding, planes_to_rgb, rgb_to_planes
from lgvi_core.video.files import VideoReader, VideoWriter
from lgvi_core.video.planes import (
    PLANAR,
    frame_to_rgb,
    grey_frame,
    lay_over,
    read_planes,
    rotate_upright,
    write_planes,
)
from support.videos import FRAMES, make_video, pattern, planes_of, sound_of, times_of, with_rotation


def copy(source: Path, target: Path, crf: int = 0) -> Path:
    """Write the video again, frame by frame and without a change."""
    with VideoReader(source) as reader, VideoWriter(target, reader, crf) as writer:
        for frame in reader:
            writer.write(frame)
    return target


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"sound": None},
        {"frames": 1},
        {"size": (63, 95), "pixels": "yuv444p"},
        {"codec": "libx265", "pixels": "yuv420p10le"},
        {"pixels": "yuv422p"},
        {"rate": Fraction(60000, 1001)},
        {"times": [0, 30, 65, 130, 131, 200, 233, 300, 301, 400, 500, 640]},
        {"sound": "pcm_s16le"},
    ],
    ids=str,
)
def test_a_lossless_copy_is_the_same_video(tmp_path, kind):
    suffix = ".mov" if kind.get("sound") == "pcm_s16le" else ".mp4"
    source = make_video(tmp_path / f"source{suffix}", **kind)
    target = copy(source, tmp_path / "copy.mp4")
    for ours, theirs in zip(planes_of(target), planes_of(source), strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    assert times_of(target) == pytest.approx(times_of(source), abs=1e-3)
    with VideoReader(source) as one, VideoReader(target) as other:
        assert one.info.size == other.info.size == kind.get("size", (64, 96))
        assert one.info.pixels == other.info.pixels == kind.get("pixels", "yuv420p")
        if "times" not in kind:
            assert one.info.fps == pytest.approx(other.info.fps, rel=1e-3)
    sound, copied = sound_of(source), sound_of(target)
    assert (sound is None) == (copied is None)
    if sound is not None and kind.get("sound") != "pcm_s16le":
        assert (sound == copied).all(), "copied, not encoded again"
    elif sound is not None:
        assert abs(sound.shape[1] / 2 - copied.shape[1]) < 3000


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_mp3_is_copied(tmp_path, suffix):
    source = make_video(tmp_path / f"source{suffix}", sound="libmp3lame")
    target = copy(source, tmp_path / "copy.mp4")
    with av.open(str(target)) as file:
        assert file.streams.audio[0].codec_context.codec.canonical_name == "mp3"
    ours, theirs = sound_of(target), sound_of(source)
    assert (ours[:, -30000:] == theirs[:, -30000:]).all(), "copied, not encoded again"


@pytest.mark.parametrize(
    ("layout", "rate", "expected"),
    [("mono", 44100, 44100), ("5.1", 48000, 48000), ("stereo", 192_000, 96_000)],
)
def test_sound_that_is_encoded_again_keeps_its_channels(tmp_path, layout, rate, expected):
    how = {"sound": "pcm_s16le", "layout": layout, "sound_rate": rate}
    source = make_video(tmp_path / "source.mov", **how)
    target = copy(source, tmp_path / "copy.mp4")
    with av.open(str(target)) as file:
        track = file.streams.audio[0]
        assert track.layout.name == layout
        assert track.rate == expected
    ours, theirs = sound_of(target), sound_of(source)
    assert abs(ours.shape[1] / expected - theirs.size / track.layout.nb_channels / rate) < 0.1
    levels = 2**0.5 * ours[:, 9000:].std(1)
    if layout != "5.1":  # the encoder filters its bass channel
        assert levels == pytest.approx([1 / (1 + i) for i in range(len(levels))], rel=0.1)


def test_colours_of_rgb_video_stay(tmp_path):
    """Screen recorders write RGB, while the written file is YUV."""
    source = make_video(tmp_path / "source.mkv", codec="libx264rgb", pixels="rgb24", sound=None)
    target = copy(source, tmp_path / "copy.mp4")
    with av.open(str(source)) as file:
        theirs = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    with VideoReader(target) as reader:
        assert reader.stream.codec_context.colorspace == 1, "tagged as what it is"
        ours = [frame_to_rgb(frame).numpy() * 255 for frame in reader]
    assert max(abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) < 5


@pytest.mark.parametrize("size", [(64, 96), (63, 95)])
def test_full_range_under_its_old_name_keeps_its_samples(size):
    """Many phones and MJPEG cameras write pixel formats such as yuvj444p."""
    height, width = size
    image = pattern(0, height, width, 255).astype(np.uint8)
    coding = Coding(5, True, 8)
    planes = rgb_to_planes(torch.from_numpy(image).float() / 255, coding)
    samples = [plane.round().numpy().astype(np.uint8) for plane in planes]
    frame = av.VideoFrame(width, height, "yuvj444p")
    for plane, own in zip(frame.planes, samples, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, :width] = own
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = 5, 2
    kept = rotate_upright(frame)
    assert kept.format.name == "yuv444p" and int(kept.color_range) == 2
    assert all((a == b).all() for a, b in zip(read_planes(kept), samples, strict=True))
    assert abs(frame_to_rgb(kept).numpy() * 255 - image).max() < 3


def test_the_shape_of_pixels_and_metadata_stay(tmp_path):
    facts = {"creation_time": "2026-05-04T03:02:01.000000Z", "location": "+52.5000+013.4000/"}
    source = make_video(tmp_path / "a.mp4", aspect=Fraction(16, 15), metadata=facts)
    target = copy(source, tmp_path / "copy.mp4")
    with av.open(str(target)) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(16, 15)
        assert facts.items() <= dict(file.metadata).items()
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(with_rotation(source.read_bytes(), 1))
    with av.open(str(copy(turned, tmp_path / "copy2.mp4"))) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(15, 16)


@pytest.mark.parametrize(("turns", "size"), [(1, (96, 64)), (2, (64, 96)), (3, (96, 64))])
def test_a_phone_clip_is_turned_upright(tmp_path, turns, size):
    plain = make_video(tmp_path / "plain.mp4", sound=None)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(with_rotation(plain.read_bytes(), turns))
    for ours, theirs in zip(planes_of(turned), planes_of(plain), strict=True):
        assert all((a == np.rot90(b, -turns)).all() for a, b in zip(ours, theirs, strict=True))
    target = copy(turned, tmp_path / "copy.mp4")
    with VideoReader(target) as reader:
        assert reader.info.size == size
    with av.open(str(target)) as file:
        assert next(file.decode(video=0)).rotation == 0


@pytest.mark.parametrize("name", PLANAR)
@pytest.mark.parametrize("size", [(64, 96), (63, 95)])
def test_planes_survive(name, size):
    image = pattern(0, *size, 65535).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(image, "rgb48le").reformat(format=name)
    again = write_planes(read_planes(frame), name)
    assert all((a == b).all() for a, b in zip(read_planes(again), read_planes(frame), strict=True))


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", [1, 2, 5, 9])
@pytest.mark.parametrize("full_range", [1, 2])
def test_only_what_is_laid_over_changes(name, matrix, full_range):
    image = pattern(0, 64, 96, 65535).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(image, "rgb48le").reformat(format=name)
    frame.colorspace, frame.color_range = matrix, full_range
    alpha = torch.zeros(64, 96)
    alpha[20:40, 30:61] = 1
    same = lay_over(frame, frame_to_rgb(frame), alpha)
    worst = 3 if PLANAR[name][0] == 8 else 12
    inner = np.s_[22:38, 32:58]
    luma = [read_planes(f)[0][inner].astype(int) for f in (frame, same)]
    assert abs(luma[0] - luma[1]).max() <= worst, "there and back through RGB"
    grey = lay_over(frame, torch.full((64, 96, 3), 0.25), alpha)
    assert (grey.colorspace, grey.color_range) == (matrix, full_range)
    assert (frame_to_rgb(grey)[22:38, 32:58] - 0.25).abs().max() < 0.02
    for old, new in zip(read_planes(frame), read_planes(grey), strict=True):
        rows, columns = 64 // old.shape[0], 96 // old.shape[1]
        outside = np.ones(old.shape, bool)
        outside[20 // rows : -(-40 // rows), 30 // columns : -(-61 // columns)] = False
        assert (old[outside] == new[outside]).all()
    assert lay_over(frame, frame_to_rgb(frame), torch.zeros(64, 96)) is frame


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "yuv422p10le"])
def test_colours_are_those_of_ffmpeg(name):
    """The video has BT.601 in limited range, which all versions of PyAV convert alike."""
    image = pattern(0, 64, 96, 65535).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(image, "rgb48le").reformat(format=name)
    theirs = frame.reformat(format="rgb48le").to_ndarray() / 65535
    difference = (frame_to_rgb(frame).numpy() - theirs)[2:-2, 2:-2]
    assert abs(difference).max() < 0.03
    assert abs(difference.mean()) < 0.008, "its fast paths round in one direction"


@pytest.mark.parametrize(
    ("coding", "red"),
    [
        (Coding(1, False, 8), (63, 102, 240)),
        (Coding(5, False, 8), (81, 90, 240)),
        (Coding(2, False, 8), (81, 90, 240)),
        (Coding(9, False, 10), (294, 387, 960)),
        (Coding(5, True, 8), (76, 85, 255)),
    ],
)
def test_red_has_the_samples_of_the_standards(coding, red):
    image = torch.tensor([1.0, 0, 0]).expand(4, 6, 3)
    planes = [plane.round() for plane in rgb_to_planes(image, coding)]
    assert [int(plane[0, 0]) for plane in planes] == pytest.approx(red, abs=1)
    assert torch.allclose(planes_to_rgb(planes, coding), image, atol=0.01)


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le"])
@pytest.mark.parametrize("full_range", [1, 2])
@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 0)])
def test_pure_colours_can_be_laid_over(name, full_range, colour):
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 99, np.uint8), "rgb24")
    frame = frame.reformat(format=name)
    frame.colorspace, frame.color_range = 5, full_range
    image = torch.tensor(colour).float().expand(16, 16, 3)
    laid = frame_to_rgb(lay_over(frame, image, torch.ones(16, 16)))
    assert torch.allclose(laid, image, atol=0.02)


def test_a_mask_becomes_a_grey_frame():
    like = av.VideoFrame(96, 64, "yuv420p")
    values = torch.linspace(0, 1, 96).expand(64, 96)
    assert (frame_to_rgb(grey_frame(values, like)) - values[..., None]).abs().max() < 0.02


def test_memory_holds_a_file_too(tmp_path):
    source = make_video(tmp_path / "source.mp4")
    with VideoReader(io.BytesIO(source.read_bytes())) as reader:
        assert sum(1 for _ in reader) == FRAMES


def test_what_is_no_video_is_named(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    with pytest.raises(LGVIError, match=r"notes\.mp4 cannot be opened as a video"):
        VideoReader(text)
    with pytest.raises(LGVIError, match="cannot be opened"):
        VideoReader(tmp_path / "absent.mp4")
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as output:
        track = output.add_stream("pcm_s16le", rate=8000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        tone.sample_rate = 8000
        output.mux(track.encode(tone))
        output.mux(track.encode(None))
    with pytest.raises(LGVIError, match=r"sound\.wav holds no video"):
        VideoReader(sound)


def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path):
    source = make_video(tmp_path / "source.mp4")
    target = tmp_path / "target.mp4"
    reader = VideoReader(source)
    with pytest.raises(KeyboardInterrupt), reader, VideoWriter(target, reader, 16) as writer:
        writer.write(next(iter(reader)))
        raise KeyboardInterrupt
    assert not target.exists()
