"""Collects the predicted masks of the late steps while ComfyUI samples."""

from collections.abc import Container
from typing import Any

import torch
from torch import Tensor, nn

from ...lgvi_core.sampling import MaskAverage
from ...lgvi_core.windows import triangular_weights


class MaskRecorder:
    """Average per frame of the mask of one conditioning, over sigmas up to ``max_sigma``.

    Several positives (combined prompts) are averaged each by itself and then united, so that the
    mask does not depend on how many ComfyUI evaluates at a time.
    """

    def __init__(self, frames: int, max_sigma: float, cond_ids: Container) -> None:
        """``cond_ids`` are ComfyUI's uuids of the conditioning whose mask is wanted."""
        self.max_sigma = max_sigma
        self.cond_ids = cond_ids
        self._frames = frames
        self._masks: dict[Any, MaskAverage] = {}

    @torch.compiler.disable
    def record(
        self, mask_decoder: nn.Module, features: list[Tensor], frames: int, options: dict
    ) -> None:
        """Decode and add the masks of the wanted conditioning, if this step is a late one."""
        if float(options["sigmas"][0]) > self.max_sigma * (1 + 1e-4):
            return
        window = options.get("context_window")
        index, weights = slice(None), None
        if window is not None:
            index = list(window.index_list)
            # ComfyUI's own windows do not tell how they are blended; a triangle has no jumps.
            weights = getattr(window, "weights", triangular_weights(len(index)))
        for row, uuid in enumerate(options["uuids"]):
            if uuid not in self.cond_ids:
                continue
            clip = slice(row * frames, (row + 1) * frames)
            logits = mask_decoder([feature[clip] for feature in features], frames).cpu()
            if uuid not in self._masks:
                self._masks[uuid] = MaskAverage(logits, self._frames)
            self._masks[uuid].add(logits, index, weights)

    def mean(self) -> Tensor | None:
        """[frames, h, w] at latent size, 0 to 1; None where no step was recorded."""
        if not self._masks:
            return None
        return torch.cat([mask.mean()[0] for mask in self._masks.values()]).amax(dim=0)
