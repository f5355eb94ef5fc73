"""What the background is compared with: the study's prototype, made again simply, and Telea.

The prototype: DIS between neighbours, a homography and push-pull in the mask, source places carried
in both directions, fixed limits of consistency, one sample between four pixels, no colour
correction, and Telea for the rest.
"""

from itertools import pairwise

import cv2
import numpy as np

from lgvi_core.background.complete import push_pull

GROW = 4
"""Pixels around the mask whose flow is not trusted."""


def telea(frames: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Each frame of uint8 [f, h, w, 3] inpainted by itself where `mask` [f, h, w] is above 0."""
    holes = (mask > 0).astype(np.uint8)
    pairs = zip(frames, holes, strict=True)
    return np.stack([cv2.inpaint(frame, hole, 3, cv2.INPAINT_TELEA) for frame, hole in pairs])


def prototype(frames: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The study's prototype on uint8 frames [f, h, w, 3] and a mask [f, h, w]."""
    holes = mask > 0
    grown = np.stack(
        [cv2.dilate(x.astype(np.uint8), np.ones((2 * GROW + 1,) * 2)) > 0 for x in holes]
    )
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there = [dis.calc(a, b, None) for a, b in pairwise(greys)]  # type: ignore[call-overload]
    back = [dis.calc(b, a, None) for a, b in pairwise(greys)]  # type: ignore[call-overload]
    full_there = [_completed(x, grown[i], grown[i + 1]) for i, x in enumerate(there)]
    full_back = [_completed(x, grown[i + 1], grown[i]) for i, x in enumerate(back)]
    future = _walk(holes, full_there, full_back, -1)
    past = _walk(holes, full_there, full_back, 1)
    out = frames.copy()
    for t, hole in enumerate(holes):
        colours, total = np.zeros(frames[t].shape, np.float32), np.zeros(hole.shape, np.float32)
        for source, xy, cost in (future[t], past[t]):
            weight = np.where(source >= 0, 1 / np.square(cost + 0.1), 0)
            for s in np.unique(source[hole & (source >= 0)]):
                use = hole & (source == s)
                x, y = np.ascontiguousarray(xy[use].astype(np.float32).T)
                shown = (~holes[s]).astype(np.float32)
                valid = cv2.remap(shown, x[None], y[None], cv2.INTER_LINEAR)[0]
                dark = frames[s] * shown[..., None]
                taken = cv2.remap(dark, x[None], y[None], cv2.INTER_LINEAR)[0]
                colours[use] += (weight[use] * (valid > 0.05) / np.maximum(valid, 1e-3))[
                    :, None
                ] * taken
                total[use] += weight[use] * (valid > 0.05)
        use = hole & (total > 0)
        out[t][use] = (colours[use] / total[use, None]).clip(0, 255)
        rest = (hole & (total == 0)).astype(np.uint8)
        out[t] = cv2.inpaint(out[t], rest, 3, cv2.INPAINT_TELEA)
    return out


def _completed(flow: np.ndarray, unknown: np.ndarray, other: np.ndarray) -> np.ndarray:
    height, width = unknown.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    hidden = cv2.remap(
        other.astype(np.uint8), x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST
    )
    known = ~unknown & (hidden == 0)
    points = np.argwhere(known)[::37, ::-1].astype(np.float32)
    columns = points.astype(int)
    ends = points + flow[columns[:, 1], columns[:, 0]]
    matrix, _ = cv2.findHomography(points, ends, cv2.USAC_MAGSAC, 1.0)
    grid = np.stack([x, y], -1).reshape(-1, 1, 2)
    model = (cv2.perspectiveTransform(grid, matrix) - grid).reshape(height, width, 2)
    rest = push_pull(flow - model, known.astype(np.float32))
    return np.where(known[..., None], flow, model + rest)


def _walk(
    holes: np.ndarray, there: list[np.ndarray], back: list[np.ndarray], order: int
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Source frame, place and cost of every pixel of every frame, from one direction of time."""
    height, width = holes[0].shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = np.stack([x, y], -1)
    done: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    numbers = range(len(holes))[::order]
    for t in numbers:
        source = np.where(holes[t], -1, t)
        xy, cost = grid.copy(), np.zeros((height, width), np.float32)
        n = t - order
        if n in done:
            flow, reverse = (there[t], back[t]) if order < 0 else (back[n], there[n])
            ends = grid + flow
            inside = ((ends >= 0) & (ends <= (width - 1, height - 1))).all(-1)
            column = ends[..., 0].round().astype(int).clip(0, width - 1)
            row = ends[..., 1].round().astype(int).clip(0, height - 1)
            miss = np.linalg.norm(flow + reverse[row, column], axis=-1)
            found, place, spent = (part[row, column] for part in done[n])
            good = holes[t] & inside & (found >= 0) & (miss < 3)
            offset = ends - np.stack([column, row], -1)
            source = np.where(good, found, source)
            xy = np.where(good[..., None], place + offset, xy)
            cost = np.where(good, spent + miss, cost)
        done[t] = (source, xy, cost)
    return done
