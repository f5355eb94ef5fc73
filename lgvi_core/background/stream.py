"""The whole method over a stream of frames, in memory that does not grow with its length.

Frames are finished a window at a time. A window needs the frames within reach after it, which are
read ahead, and those before it, which are kept. Paths into the future are walked from the end of
what was read ahead backwards; those into the past go on from the window before.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from .colour import brightened, rim_error
from .fuse import Found, between, fuse
from .paint import Canvas, Painter, full_size, linear_at
from .pairs import pair_of
from .propagate import Traces, compact, spread
from .sample import sample_cubic
from .settings import BackgroundSettings, Filled, MaskedFrame
from .store import FrameRing, flow_size, glance_of, place_of, put, white
from .window import Reach

THREADS = 2
"""Pairs of frames measured, or frames laid out, at a time; OpenCV uses further cores for each."""
LEAST_WINDOW = 8
"""Frames finished at a time at least."""


@contextmanager
def single_thread() -> Iterator[None]:
    """Lets torch use one thread here: the lists are short, and waiting for others takes longer.

    OpenCV measures the next frames' flow on the other cores meanwhile.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Background:
    """Takes frames one by one and gives them back finished, later and in the same order."""

    def __init__(
        self, like: Tensor, settings: BackgroundSettings, frames: int | None = None
    ) -> None:
        """`like` is a frame [h, w, 3] of the video; `frames` its length, where it is known."""
        self.settings = settings
        self.window = max(LEAST_WINDOW, settings.reach // 2)
        size = flow_size((like.shape[0], like.shape[1]), settings.flow_side)
        capacity = 2 * settings.reach + self.window + 1
        if frames is not None:
            capacity = min(capacity, frames)
        self.reach = Reach(FrameRing(like, capacity, size), size, settings)
        # A cubic sample reaches two pixels of the full frame beyond its own.
        self.spoiled = 1 if size != tuple(like.shape[:2]) else 2
        self.threads = ThreadPoolExecutor(THREADS, initializer=torch.set_num_threads, initargs=(1,))
        self.given = 0
        self.done = 0
        self.before: list[Traces] | None = None
        self.last: Canvas | None = None

    def give(self, shown: MaskedFrame) -> list[Filled]:
        """Adds a frame, and gives back what that finishes."""
        with single_thread():
            self._add(shown)
            if self.given - self.done < self.window + self.settings.reach:
                return []
            return self._finish(self.done + self.window)

    def _add(self, shown: MaskedFrame) -> None:
        reach, number = self.reach, self.given
        glance = glance_of(shown, reach.size)
        place = place_of(glance.hole, self.settings.rim, self.spoiled, shown.frame.device)
        kept = reach.ring.put(number, shown.frame, glance, place)
        reach.shown[number], reach.glances[number] = shown._replace(frame=kept), glance
        reach.places[number] = place
        before = reach.places.get(number - 1)
        if number and (place is not None or before is not None):
            earlier = reach.glances[number - 1]
            reach.pairs[number - 1] = self.threads.submit(
                pair_of, earlier, glance, self.settings, shown.frame.device
            )
        self.given += 1

    def end(self) -> Iterator[Filled]:
        """Gives back the rest."""
        while self.done < self.given:
            with single_thread():
                done = self._finish(min(self.done + self.window, self.given))
            yield from done

    def close(self) -> None:
        """Stops what is still being measured."""
        self.threads.shutdown(cancel_futures=True)

    def _finish(self, stop: int) -> list[Filled]:
        start, reach = self.done, self.reach
        self._measure_brightness(start, min(stop + self.settings.reach, self.given))
        walk = self.threads.submit(self._walk_back, start, stop)
        past = {number: self._walk_on(number) for number in range(start, stop)}
        future = walk.result()
        laid = {
            number: self.threads.submit(self._canvas, number, traces, future[number])
            for number, traces in past.items()
            if traces is not None
        }
        canvases: dict[int, Canvas] = {}
        carried_over = None
        if self.last is not None:
            carried_over = start - 1
            canvases[carried_over] = self.last
        canvases |= {number: canvas.result() for number, canvas in laid.items()}
        unseen = {number: canvas.open.clone() for number, canvas in canvases.items()}
        Painter(reach, canvases).paint(carried_over)
        self.last = canvases.get(stop - 1)
        self.done = stop
        finished = [
            _finished(reach.shown[number], canvases.pop(number, None), unseen.get(number))
            for number in range(start, stop)
        ]
        reach.forget(stop - 1)
        return finished

    def _measure_brightness(self, start: int, stop: int) -> None:
        """Adds up the logarithm of each frame's brightness against its neighbour's."""
        gains = self.reach.ring.gains
        for number in range(max(1, start), stop):
            pair = self.reach.pair(number - 1)
            before = gains[(number - 1) % len(gains)]
            gains[number % len(gains)] = before if pair is None else before + pair.gain.log()

    def _walk_on(self, number: int) -> list[Traces] | None:
        """The traces into the past of hole and rim of a frame; None where it hides nothing."""
        self.before = self.reach.walk(number, -1, self.before)
        place = self.reach.places[number]
        if self.before is None or place is None:
            return None
        return compact(self.before, place.list)

    def _walk_back(self, start: int, stop: int) -> dict[int, list[Traces]]:
        """The traces into the future of the window's frames, of the pixels of hole and rim."""
        traces: list[Traces] | None = None
        kept = {}
        for number in range(min(stop + self.settings.reach, self.given) - 1, start - 1, -1):
            traces = self.reach.walk(number, 1, traces)
            if traces is not None and number < stop:
                place = self.reach.places[number]
                assert place is not None
                kept[number] = compact(traces, place.list)
        return kept

    def _canvas(self, number: int, past: list[Traces], future: list[Traces]) -> Canvas:
        """Frame `number` with all that other frames show of its background."""
        reach, ring = self.reach, self.reach.ring
        place, shown = reach.places[number], reach.shown[number]
        assert place is not None

        def whole(part: Tensor, index: Tensor) -> Tensor:
            full = part.new_zeros(reach.pixels)
            full[index] = part
            return full

        past, second = reach.likelier(number, past)
        if second is not None:
            second = second[place.list]
        found = [
            Found(spread(part.traces, place.list, reach.pixels), whole(part.share, place.list))
            for part in fuse(past, future, second, ring, reach.size)
        ]
        index = (shown.mask.reshape(-1) > 0).nonzero()[:, 0]
        width, (sx, sy) = shown.frame.shape[1], ring.scale
        xy = torch.stack([(index % width + 0.5) / sx, (index // width + 0.5) / sy], -1) - 0.5
        near = (xy + 0.5).long()
        near[:, 0].clamp_(max=reach.size[1] - 1)
        near[:, 1].clamp_(max=reach.size[0] - 1)
        seen = found[0].share + found[1].share > 0
        canvas = Canvas(
            pixels=shown.frame.clone(),
            index=index,
            xy=xy.clamp(min=0),
            cell=near[:, 1] * reach.size[1] + near[:, 0],
            open=place.hole & ~seen,
        )
        self._lay(canvas, found, number)
        return canvas

    def _lay(self, canvas: Canvas, found: list[Found], number: int) -> None:
        """Samples what was found at full size and lays it over the canvas."""
        reach, ring = self.reach, self.reach.ring
        place = reach.places[number]
        assert place is not None
        unit = white(canvas.pixels)
        colours = torch.zeros((len(canvas.index), 3), device=canvas.pixels.device)
        total = colours[:, 0].clone()
        for part in found:
            full = between(part, canvas.xy, reach.size)
            used = (full.share > 0).nonzero()[:, 0]
            traces, share = full.traces.at(used), full.share[used]
            taken = sample_cubic(
                ring.frames, ring.slot(traces.frame), full_size(traces.xy, ring.scale)
            )
            taken = brightened(taken, traces.frame, number, ring)
            colours[used] += share[:, None] * taken
            total[used] += share
        used = (total > 0).nonzero()[:, 0]
        colours = colours[used] / total[used, None]
        error = (
            rim_error(found, number, place, reach.front(number), ring, reach.size)
            if self.settings.match_colours
            else None
        )
        if error is not None:
            colours += linear_at(error[0], canvas.xy[used]) * (unit / 255)
        canvas.write(used, colours)


def _finished(shown: MaskedFrame, canvas: Canvas | None, unseen: Tensor | None) -> Filled:
    """The canvas laid over the frame by the mask; the frame itself where nothing is masked."""
    none = torch.zeros(shown.mask.shape, device=shown.frame.device)
    if canvas is None or unseen is None:
        return Filled(shown.frame.clone(), none)  # the ring's own memory is used again
    flat, source = canvas.pixels.reshape(-1, 3), shown.frame.reshape(-1, 3)
    opacity = shown.mask.reshape(-1)[canvas.index].float().clamp(max=1)
    soft = (opacity < 1).nonzero()[:, 0]
    pixels = canvas.index[soft]
    mixed = torch.lerp(source[pixels].float(), flat[pixels].float(), opacity[soft, None])
    result = flat.clone()
    put(result, pixels, mixed)
    none.view(-1)[canvas.index] = unseen[canvas.cell].float()
    return Filled(result.view_as(canvas.pixels), none)


def stream(
    shown: Iterable[MaskedFrame], settings: BackgroundSettings, frames: int | None = None
) -> Iterator[Filled]:
    """Yield the given frames finished; at most three times `settings.reach` are held at once.

    A window is finished as a whole, but handed on frame by frame, one for each that is read: so the
    next frames' flow is measured while the reader of these, an encoder say, is busy.
    """
    work: Background | None = None
    finished: deque[Filled] = deque()
    try:
        for part in shown:
            work = work or Background(part.frame, settings, frames)
            finished += work.give(part)
            if finished:
                yield finished.popleft()
        yield from finished
        if work is not None:
            yield from work.end()
    finally:
        if work is not None:
            work.close()
