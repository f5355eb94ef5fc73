"""Painting of what no frame shows: once at a key frame, and from there carried to the others."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .colour import brightened
from .fuse import Found, between
from .inpaint import compared, inpainted
from .propagate import Traces, bilinear, carried, no_traces, positions, spread
from .sample import sample_cubic
from .store import put, resized, white
from .window import Reach

ROUNDS = 8
"""Key frames of a window; what is still open then is painted in each frame by itself."""
SPECKS = 40
"""Pixels of the small frame below which each frame paints its own: nobody sees them flicker."""


@dataclass
class Canvas:
    """A frame being finished.

    `pixels` [h, w, 3] is the frame with the background laid over all that is masked; `index` [n]
    are the masked pixels, `xy` [n, 2] where they lie in the small frame and `cell` [n] in which of
    its pixels. `open` [fh * fw] is what of the hole nothing was found for.
    """

    pixels: Tensor
    index: Tensor
    xy: Tensor
    cell: Tensor
    open: Tensor

    def write(self, where: Tensor, colours: Tensor) -> None:
        """Lays `colours` [m, 3] over the masked pixels that `where` [m] counts, in their type."""
        put(self.pixels.view(-1, 3), self.index[where], colours)


class Painter:
    """Paints a window's open pixels, beginning with what the window before it painted."""

    def __init__(self, reach: Reach, canvases: dict[int, Canvas]) -> None:
        """`canvases` are the window's frames that hide anything, and the last one before it."""
        self.reach, self.canvases = reach, canvases
        self.open = {number: canvas.open.clone() for number, canvas in canvases.items()}
        # Of each frame: which key frame's painting its pixels take, and where it lies there.
        self.taken = {
            number: no_traces(reach.pixels, canvas.open.device)
            for number, canvas in canvases.items()
        }

    def paint(self, carried_over: int | None) -> None:
        """Finishes all canvases; `carried_over` is the finished frame before the window."""
        if carried_over is not None:
            self.open[carried_over].zero_()
            if self._most() is not None:
                self._carry(carried_over)
        for _ in range(ROUNDS):
            key = self._most()
            if key is None:
                break
            self._paint_here(key)
            self._carry(key)
        for number in self.canvases:
            if number != carried_over:
                self._paint_here(number)

    def _most(self) -> int | None:
        """The frame that lacks most; None where nobody lacks more than specks."""
        counts = {number: int(left.sum()) for number, left in self.open.items()}
        key = max(counts, key=lambda number: counts[number], default=None)
        return None if key is None or counts[key] < SPECKS else key

    def _carry(self, key: int) -> None:
        """Gives what frame `key` shows in its hole to the open pixels of its neighbours, and on."""
        for towards in (1, -1):
            place = self.reach.places[key]
            assert place is not None
            hole = place.hole.nonzero()[:, 0]
            start = positions(hole, self.reach.size)
            own = Traces(torch.full_like(hole, key), start, torch.zeros_like(start[:, 0]))
            traces: Traces | None = spread(own, hole, self.reach.pixels)
            number = key + towards
            while traces is not None and self._lacks(number, towards):
                traces = self._follow(number, towards, traces)
                if traces is not None:
                    self._take(number, traces)
                number += towards

    def _lacks(self, number: int, towards: int) -> bool:
        """Whether frame `number` of the window, or one after it, has anything open."""
        while number in self.canvases:
            if self.open[number].any():
                return True
            number += towards
        return False

    def _follow(self, number: int, towards: int, traces: Traces) -> Traces | None:
        """The traces of frame `number` from its neighbour's, against the direction of walking."""
        pair = self.reach.pair(number - 1 if towards > 0 else number)
        place = self.reach.places[number]
        if pair is None or place is None:
            return None
        way = pair.backward if towards > 0 else pair.forward
        size = self.reach.size
        index = place.hole.nonzero()[:, 0]
        end = positions(index, size) + way.likely().reshape(-1, 2)[index]
        limit = end.new_tensor([size[1] - 1, size[0] - 1])
        inside = ((end >= 0) & (end <= limit)).all(-1)
        end = end.clamp(min=end.new_zeros(2), max=limit)
        corners, weights = bilinear(end, size)
        nearest = corners.gather(1, weights.argmax(1, keepdim=True))[:, 0]
        found = carried(traces, end, corners, weights, nearest, size)
        found = found._replace(frame=torch.where(inside, found.frame, -1))
        return spread(found, index, self.reach.pixels)

    def _take(self, number: int, traces: Traces) -> None:
        """Assigns to open pixels what was found for them."""
        taken = self.open[number] & (traces.frame >= 0)
        for own, new in zip(self.taken[number], traces, strict=True):
            own[taken] = new[taken]
        self.open[number] &= ~taken

    def _paint_here(self, number: int) -> None:
        """Lays over frame `number` what it took from others, and paints what it has not got."""
        canvas, traces = self.canvases[number], self.taken[number]
        for key in traces.frame[traces.frame >= 0].unique().tolist():
            self._copy(canvas, traces, number, int(key))
        traces.frame.fill_(-1)
        left = self.open[number]
        if left.any():
            painting = self.reach.shown[number].painting
            self._new(canvas, left, painting() if callable(painting) else painting)
            left.zero_()

    def _copy(self, canvas: Canvas, traces: Traces, number: int, key: int) -> None:
        size, ring = self.reach.size, self.reach.ring
        where = (traces.frame[canvas.cell] == key).nonzero()[:, 0]
        found = between(Found(traces, traces.cost), canvas.xy[where], size).traces
        source = self.canvases[key].pixels[None]
        frames = torch.full_like(where, key)
        xy = full_size(found.xy, ring.scale)
        colours = sample_cubic(source, torch.zeros_like(where), xy)
        canvas.write(where, brightened(colours, frames, number, ring))

    def _new(self, canvas: Canvas, left: Tensor, painting: Tensor | None) -> None:
        """Paints the pixels `left` [fh * fw] by a classical inpainting and the given painting."""
        size = self.reach.size
        where = left[canvas.cell].nonzero()[:, 0]
        small = resized(canvas.pixels, size)
        hole = left.reshape(size).cpu().numpy()
        device = canvas.pixels.device
        unit = white(canvas.pixels) / 255
        colours = linear_at(torch.from_numpy(inpainted(small, hole)).to(device), canvas.xy[where])
        if painting is not None:
            error, share = compared(small, resized(painting, size), hole)
            scale = painting.shape[1] / size[1], painting.shape[0] / size[0]
            xy = full_size(canvas.xy[where], scale)
            painted = sample_cubic(painting[None], torch.zeros_like(where), xy)
            painted *= 255 / white(painting)
            painted += linear_at(torch.from_numpy(error).to(device), canvas.xy[where])
            trust = linear_at(torch.from_numpy(share[..., None]).to(device), canvas.xy[where])
            colours = torch.lerp(colours, painted, trust)
        canvas.write(where, colours * unit)


def full_size(xy: Tensor, scale: tuple[float, float]) -> Tensor:
    """Places of the small frame in the full one: pixels' centres stay where they are."""
    return (xy + 0.5) * xy.new_tensor(scale) - 0.5


def linear_at(field: Tensor, xy: Tensor) -> Tensor:
    """float32 [n, c] of a small `field` [fh, fw, c] at places `xy` [n, 2]."""
    corners, weights = bilinear(xy, (field.shape[0], field.shape[1]))
    around = field.flatten(0, 1).index_select(0, corners.flatten()).float()
    around = around.reshape(-1, 4, field.shape[-1])
    return torch.bmm(weights[:, None], around)[:, 0]
