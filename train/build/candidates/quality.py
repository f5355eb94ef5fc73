"""Figures of candidates, without knowing the truth, and the order that follows from them.

Two errors work against each other. A narrow hole leaves a rim of the object; a wide one replaces
pixels that were right by invented ones. Both can be measured on the rings between one hole and the
next wider one, where the source is known. A candidate whose hole ends where a ring ends has
invented that ring from right beside it: as far as it differs there more than others differ on the
outer rings, the source shows object in that ring. And on rings that show background alone, the
widest candidate tells how an invented pixel errs, more the deeper in the hole it lies.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise

import cv2
import numpy as np

from lgvi_core.background.flow import dis

INVENTED = 0.75
"""The squared error of an invented pixel against that of the widest candidate on its innermost ring
without object; the value that ordered drawn clips best."""


@dataclass(frozen=True)
class Quality:
    """Figures of one candidate; all but `unseen` are of 255, and the smaller the better."""

    error: float
    """Root mean square error that is expected in the widest hole; the order follows it."""
    leftover: float
    """How far the source is from background on the rim that the hole leaves."""
    flicker: float
    """How much more the hole changes along the motion than what is around it."""
    unseen: float | None
    """Share of the hole that no frame shows; None where the remover cannot tell."""

    def as_facts(self) -> dict[str, float | None]:
        """The figures rounded, for a result."""
        return {k: None if v is None else round(v, 3) for k, v in asdict(self).items()}


def judge(
    source: np.ndarray,
    holes: list[np.ndarray],
    candidates: list[np.ndarray],
    unseen: list[np.ndarray | None],
) -> list[Quality]:
    """Figures of candidates uint8 [f, h, w, 3] with holes bool [f, h, w], narrowest first."""
    rings = [outer & ~inner for inner, outer in pairwise(holes)]
    sizes = np.array([ring.sum() for ring in rings], np.float64)
    excess, invented = _errors(source, rings, candidates)
    flows = _motion(candidates[-1])
    judged = []
    for i, (hole, candidate) in enumerate(zip(holes, candidates, strict=True)):
        painted = unseen[i]
        share = None if painted is None else float(painted[hole].mean()) if hole.any() else 0.0
        wrong = hole.sum() * invented + float(np.dot(excess[i:], sizes[i:]))
        judged.append(
            Quality(
                error=float(np.sqrt(wrong / max(1, holes[-1].sum()))),
                leftover=float(np.sqrt(excess[i])) if i < len(excess) else 0.0,
                flicker=_flicker(candidate, hole, flows),
                unseen=share,
            )
        )
    return judged


def _errors(
    source: np.ndarray, rings: list[np.ndarray], candidates: list[np.ndarray]
) -> tuple[np.ndarray, float]:
    """The squared error that the object leaves on each ring [n], and that of an invented pixel."""
    if not rings:
        return np.zeros(0), 0.0
    beside = np.array(
        [_mean_square(source, candidates[i + 1], ring) for i, ring in enumerate(rings)]
    )
    usual = float(np.median(beside[len(rings) // 2 :]))
    excess = np.maximum(0.0, beside - usual)
    clean = [i for i in range(len(rings)) if excess[i] <= usual] or [len(rings) - 1]
    return excess, INVENTED * _mean_square(source, candidates[-1], rings[clean[0]])


def order_of(judged: list[Quality]) -> list[int]:
    """Numbers of candidates, the best first; of equals the narrower hole."""
    return sorted(range(len(judged)), key=lambda i: (judged[i].error, i))


def _mean_square(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    if not where.any():
        return 0.0
    return float(np.square(one[where].astype(np.float32) - other[where]).mean())


def _motion(frames: np.ndarray) -> list[np.ndarray]:
    """Where each frame's pixels were in the one before, as maps [h, w, 2] for `cv2.remap`."""
    measure = dis("ultrafast", None, None, None)
    height, width = frames.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    grid = np.stack([x, y], -1)
    return [grid + measure(now, last) for last, now in pairwise(frames)]


def _flicker(frames: np.ndarray, hole: np.ndarray, maps: list[np.ndarray]) -> float:
    """The mean change along the motion inside the hole, less that around it; 0 at least."""
    inside, around = [], []
    for i, place in enumerate(maps):
        moved = cv2.remap(frames[i], place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        change = np.abs(moved.astype(np.float32) - frames[i + 1]).mean(-1)
        here = hole[i + 1]
        near = cv2.dilate(here.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
        if here.any() and (near & ~here).any():
            inside.append(change[here].mean())
            around.append(change[near & ~here].mean())
    return max(0.0, float(np.mean(inside) - np.mean(around))) if inside else 0.0
