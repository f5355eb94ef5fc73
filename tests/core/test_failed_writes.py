"""Video files that cannot be written: no part stays, nothing stays open, and why is said."""

from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from lgvi_core.errors import LGVIError
from lgvi_core.video import output
from lgvi_core.video.encode import write_frames
from lgvi_core.video.files import VideoReader, VideoWriter
from lgvi_core.video.output import frame_rate
from support.videos import make_video

resource = pytest.importorskip("resource", reason="this system has no limits of file sizes")
signal = pytest.importorskip("signal")


@contextmanager
def full_disk(size: int):
    """No file can grow beyond `size` bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def open_files(folder: Path) -> list[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    names = [str(link.readlink()) for link in links]
    return [name for name in names if name.startswith(str(folder))]


def copy(source: Path, target: Path, audio: bool = True, late: int = 0) -> None:
    """Copy a file; with `late`, the last frame comes so many seconds after the others."""
    with VideoReader(source) as reader, VideoWriter(target, reader, 0, audio) as writer:
        frames = list(reader)
        frames[-1].pts += round(late / reader.stream.time_base)
        for frame in frames:
            writer.write(frame)


@pytest.mark.parametrize("size", [0, 3000, 30_000])
def test_a_full_disk_leaves_no_file_and_no_handle(tmp_path, size):
    source = make_video(tmp_path / "source.mp4", size=(240, 320), frames=30)
    images = torch.rand(20, 240, 320, 3)
    with full_disk(size):
        with pytest.raises(LGVIError, match=r"copy\.mp4 .*: is the disk full"):
            copy(source, tmp_path / "copy.mp4")
        with pytest.raises(LGVIError, match=r"new\.mp4 .*: is the disk full"):
            write_frames(tmp_path / "new.mp4", images, Fraction(24))
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]
    if Path("/proc/self/fd").is_dir():  # not on every system
        assert not open_files(tmp_path)


def test_a_folder_that_is_gone_is_said(tmp_path):
    with pytest.raises(LGVIError, match=r"cannot be written to .*nowhere"):
        write_frames(tmp_path / "nowhere" / "a.mp4", torch.rand(2, 64, 64, 3), Fraction(24))


def test_a_gap_of_days_is_said_and_leaves_no_file(tmp_path):
    source = make_video(tmp_path / "source.mp4", sound=None)
    copy(source, tmp_path / "short.mp4", late=3600)
    with pytest.raises(LGVIError, match=r"there are 100\.0 hours between two frames"):
        copy(source, tmp_path / "long.mp4", late=100 * 3600)
    assert {path.name for path in tmp_path.iterdir()} == {"source.mp4", "short.mp4"}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_sound_that_is_no_number_is_refused_before_a_file_is_made(tmp_path, bad):
    sound = torch.zeros(2, 4800)
    sound[1, 7] = bad
    with pytest.raises(LGVIError, match="the sound holds NaN or infinite samples"):
        write_frames(tmp_path / "a.mp4", torch.rand(4, 64, 64, 3), Fraction(24), sound, 48_000)
    assert not list(tmp_path.iterdir())


def test_any_other_failure_stays_what_it_is_and_leaves_no_file(tmp_path):
    class Cancelled(Exception):
        pass

    source = make_video(tmp_path / "source.mp4")
    with (
        VideoReader(source) as reader,
        pytest.raises(Cancelled),
        VideoWriter(tmp_path / "copy.mp4", reader, 0) as writer,
    ):
        writer.write(next(iter(reader)))
        raise Cancelled
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


def test_a_writer_that_fails_at_its_start_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise av.error.InvalidDataError(1, "no track")

    source = make_video(tmp_path / "source.mp4")
    monkeypatch.setattr("lgvi_core.video.files._AudioTracks.open_tracks", fail)
    with VideoReader(source) as reader, pytest.raises(LGVIError, match="no track"):
        VideoWriter(tmp_path / "copy.mp4", reader, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (30000 / 1001, Fraction(30000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (60000 / 1001, Fraction(60000, 1001)),
        (29.97, Fraction(2997, 100)),
        (23.976, Fraction(2997, 125)),
        (Fraction(59.94), Fraction(2997, 50)),
        (25, Fraction(25)),
    ],
)
def test_rates_of_cameras_are_written(tmp_path, fps, rate):
    path = tmp_path / "a.mp4"
    write_frames(path, torch.rand(6, 64, 64, 3), Fraction(fps))
    assert frame_rate(fps) == rate
    with VideoReader(path) as reader:
        assert reader.info.fps == pytest.approx(float(rate), rel=1e-4)
        assert sum(1 for _ in reader) == 6


@pytest.mark.parametrize("fps", [float("nan"), float("inf"), 0, -24, 1e-9, output.FASTEST + 1])
def test_what_is_no_rate_is_refused(fps):
    with pytest.raises(LGVIError, match="frames per second is no rate"):
        frame_rate(fps)
