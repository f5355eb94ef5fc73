"""Recording of the masks that the model predicts in the late steps, while ComfyUI samples."""

from collections.abc import Container
from typing import Any
from uuid import UUID

import torch
from torch import Tensor, nn

from ...lgvi_core.sampling import MaskAverage
from ...lgvi_core.windows import triangular_weights


class MaskRecorder:
    """Mean mask of each frame for one conditioning, over the steps with sigma up to `max_sigma`.

    Combined prompts are averaged separately and then united, so that the mask does not depend on
    how many of them ComfyUI evaluates at a time.
    """

    def __init__(self, frames: int, max_sigma: float, cond_ids: Container[UUID]) -> None:
        """Start without masks for a video of `frames` frames.

        `cond_ids` are ComfyUI's uuids of the conditioning whose mask is recorded.
        """
        self.max_sigma = max_sigma
        self.cond_ids = cond_ids
        self._frames = frames
        self._masks: dict[Any, MaskAverage] = {}

    @torch.compiler.disable
    def record(
        self, mask_decoder: nn.Module, features: list[Tensor], frames: int, options: dict[str, Any]
    ) -> None:
        """Decode and add the masks of the wanted conditioning, if this is a late step.

        `features` are those of the up blocks, `frames` is the number of frames per condition, and
        `options` are ComfyUI's transformer_options.
        """
        if float(options["sigmas"][0]) > self.max_sigma * (1 + 1e-4):
            return
        window = options.get("context_window")
        index: slice | list[int] = slice(None)
        weights: Tensor | None = None
        if window is not None:
            index = list(window.index_list)
            # ComfyUI's own windows have no weights; a triangle blends them without jumps.
            weights = getattr(window, "weights", triangular_weights(len(index)))
        added = frames - len(index) if isinstance(index, list) else 0
        for row, uuid in enumerate(options["uuids"]):
            if uuid not in self.cond_ids:
                continue
            rows = slice(row * frames, (row + 1) * frames)
            logits = mask_decoder([feature[rows] for feature in features], frames).cpu()
            # ComfyUI's own windows may put a frame before the window's first.
            logits = logits[:, :, added:]
            if uuid not in self._masks:
                self._masks[uuid] = MaskAverage(logits, self._frames)
            self._masks[uuid].add(logits, index, weights)

    def mean(self) -> Tensor | None:
        """Return the mask [frames, h, w] at latent size, 0 to 1; None if no step was recorded."""
        if not self._masks:
            return None
        return torch.cat([mask.mean()[0] for mask in self._masks.values()]).amax(dim=0)
