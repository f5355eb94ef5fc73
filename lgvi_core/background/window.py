"""What is known of the frames within reach while a window of them is being finished."""

from concurrent.futures import Future

from torch import Tensor

from .pairs import Glance, Pair, Way
from .propagate import Traces, no_traces, spread, step
from .settings import BackgroundSettings, MaskedFrame
from .store import FrameRing, Place, Size


class Reach:
    """The frames that were given and are not forgotten yet, and the pairs between them.

    `shown`, `glances` and `places` go by the number of the frame; `pairs` by that of the first of
    two frames, and hold None where there is nothing to walk along.
    """

    def __init__(self, ring: FrameRing, size: Size, settings: BackgroundSettings) -> None:
        self.ring, self.size, self.settings = ring, size, settings
        self.pixels = size[0] * size[1]
        self.shown: dict[int, MaskedFrame] = {}
        self.glances: dict[int, Glance] = {}
        self.places: dict[int, Place | None] = {}
        self.pairs: dict[int, Future[Pair | None]] = {}

    def pair(self, number: int) -> Pair | None:
        """What lies between the frames `number` and `number` + 1; None for a cut or the end."""
        waiting = self.pairs.get(number)
        return None if waiting is None else waiting.result()

    def forget(self, before: int) -> None:
        """Lets go of the frames with smaller numbers."""
        for kept in (self.shown, self.glances, self.places, self.pairs):
            for number in [number for number in kept if number < before]:
                del kept[number]  # type: ignore[attr-defined]

    def walk(
        self, number: int, towards: int, neighbour: list[Traces] | None
    ) -> list[Traces] | None:
        """Traces of all pixels of frame `number`, for each motion, to the frame after it or before.

        `towards` is 1 or -1, `neighbour` the traces there. None where this frame hides nothing;
        all lead nowhere where there is no neighbour to go to.
        """
        place = self.places[number]
        if place is None:
            return None
        motions = range(self.settings.motions)
        pair = self.pair(number if towards > 0 else number - 1)
        if pair is None:
            return [no_traces(self.pixels, place.list.device)] * len(motions)
        way, back = (pair.forward, pair.backward)[::towards]
        other = number + towards
        if neighbour is not None:
            neighbour = self._in_order(other, towards, back, neighbour)
        result: list[Traces] = []
        for motion in motions:
            before = None if neighbour is None else neighbour[motion]
            single = len(way.motions) == len(back.motions) == 1
            if motion and single and (neighbour is None or before is neighbour[motion - 1]):
                result.append(result[-1])  # all motions have been the same so far
                continue
            index = self._walkers(place, way.foreign[min(motion, len(way.foreign) - 1)])
            there = (other, self.places[other], before)
            traces = step(index, way, back, motion, number, there, self.settings)
            result.append(spread(traces, index, self.pixels))
        return result

    def _in_order(self, number: int, towards: int, back: Way, traces: list[Traces]) -> list[Traces]:
        """The traces of frame `number` in the order of the motions of the way `back` from it."""
        onward = self._way(number, towards)
        same = onward is None or self._same_order(number, back, onward)
        return traces if same else traces[::-1]

    def _way(self, number: int, towards: int) -> Way | None:
        """The way from frame `number` to the next one or, with -1, to the one before."""
        pair = self.pair(number if towards > 0 else number - 1)
        if pair is None:
            return None
        return pair.forward if towards > 0 else pair.backward

    def _same_order(self, number: int, one: Way, other: Way) -> bool:
        """Whether two ways from the same frame name its motions in the same order.

        Each pair of frames has its own first and second motion. Two are the same if they own the
        same part of the frame between.
        """
        place = self.places[number]
        if one.second is None or other.second is None or place is None:
            return True
        around = (place.near & ~place.hole).reshape(one.second.shape)
        return bool((one.second == other.second)[around].float().mean() >= 0.5)

    def likelier(self, number: int, past: list[Traces]) -> tuple[list[Traces], Tensor | None]:
        """Traces into the past in the order of those into the future, and where the second of two
        motions is likelier [fh * fw]; None where there is one motion.
        """
        before, after = self._way(number, -1), self._way(number, 1)
        if before is not None and after is not None and not self._same_order(number, before, after):
            past = past[::-1]
        marks = [way.second for way in (after, before) if way is not None]
        second = next((mark for mark in marks if mark is not None), None)
        return past, None if second is None else second.reshape(-1)

    def front(self, number: int) -> Tensor | None:
        """What of frame `number` is not the background, bool [fh * fw]; None if it is unknown."""
        ways = [way for towards in (1, -1) if (way := self._way(number, towards)) is not None]
        marks = [way.front().reshape(-1) for way in ways]
        return None if not marks else marks[0] | marks[-1]

    def _walkers(self, place: Place, foreign: Tensor) -> Tensor:
        """The hole and its rim, and what stands in front of the background nearby.

        The background behind that is nobody's to see in this frame, but paths go on through it.
        """
        near = foreign.reshape(-1) & place.near
        near[place.list] = True
        return near.nonzero()[:, 0]
