"""Which frames of a video are taken: a range, every n-th one, at a rate of one's own."""

from collections.abc import Iterator
from dataclasses import dataclass

import av

from .files import VideoReader

EARLY = 1e-6
"""Seconds by which a frame may begin late without being missed; times are rounded."""


@dataclass(frozen=True)
class Selection:
    """A part of a video's frames. First the rate is made, then frames are skipped and left out."""

    force_rate: float = 0.0
    """Frames per second; 0 for the video's own."""
    skip: int = 0
    """Number of frames left out at the start, at that rate."""
    every: int = 1
    """Distance of the frames that are taken from there on, at least 1."""
    cap: int = 0
    """Number of frames at most; 0 for all."""

    def rate(self, own: float) -> float:
        """Return the frames per second of what is taken of a video of `own` frames per second."""
        return (self.force_rate or own) / self.every

    def wants(self, number: int) -> bool:
        """Return whether the frame with that `number`, at the rate that was made, is taken."""
        return number >= self.skip and (number - self.skip) % self.every == 0


def selected(video: VideoReader, selection: Selection) -> Iterator[av.VideoFrame]:
    """Yield the frames of a video that a selection takes, in order; reading stops with the last.

    With a rate of one's own, each moment gets the last frame that began until then.
    """
    taken = 0
    for number, frame in enumerate(_at_rate(video, selection.force_rate)):
        if selection.wants(number):
            yield frame
            taken += 1
            if taken == selection.cap:
                return


def _at_rate(video: VideoReader, rate: float) -> Iterator[av.VideoFrame]:
    """Yield as many frames a second as `rate` says; all of them if that is 0."""
    if not rate:
        yield from video
        return
    shown: av.VideoFrame | None = None
    start = ends = 0.0
    number = 0
    for index, frame in enumerate(video):
        begins = index / video.info.fps if frame.time is None else float(frame.time)
        if shown is None:
            start = begins
        else:
            while start + number / rate < begins - EARLY:
                yield shown
                number += 1
        shown, ends = frame, begins + 1 / video.info.fps
    while shown is not None and start + number / rate < ends - EARLY:
        yield shown
        number += 1
