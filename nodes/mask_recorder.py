"""Collects the predicted masks of the late steps while ComfyUI samples."""

from collections.abc import Container
from typing import Any

import torch
from torch import Tensor, nn


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
        self._totals: dict[Any, Tensor] = {}
        self._counts: dict[Any, Tensor] = {}

    @torch.compiler.disable
    def record(
        self, mask_decoder: nn.Module, features: list[Tensor], frames: int, options: dict
    ) -> None:
        """Decode and add the masks of the wanted conditioning, if this step is a late one."""
        if float(options["sigmas"][0]) > self.max_sigma * (1 + 1e-4):
            return
        window = options.get("context_window")
        index = slice(None) if window is None else list(window.index_list)
        for row, uuid in enumerate(options["uuids"]):
            if uuid not in self.cond_ids:
                continue
            clip = slice(row * frames, (row + 1) * frames)
            logits = mask_decoder([feature[clip] for feature in features], frames)[0, 0]
            mask = logits.float().sigmoid().cpu()
            if uuid not in self._totals:
                self._totals[uuid] = torch.zeros(self._frames, *mask.shape[1:])
                self._counts[uuid] = torch.zeros(self._frames, 1, 1)
            self._totals[uuid][index] += mask
            self._counts[uuid][index] += 1

    def mean(self) -> Tensor | None:
        """[frames, h, w] at latent size, 0 to 1; None where no step was recorded."""
        if not self._totals:
            return None
        means = [self._totals[i] / self._counts[i].clamp(min=1) for i in self._totals]
        return torch.stack(means).amax(dim=0)
