"""Collects the predicted masks of the late steps while ComfyUI samples."""

from collections.abc import Container

import torch
from torch import Tensor, nn


class MaskRecorder:
    """Average per frame of the mask of one conditioning, over sigmas up to ``max_sigma``."""

    def __init__(self, frames: int, max_sigma: float, cond_ids: Container) -> None:
        """``cond_ids`` are ComfyUI's uuids of the conditioning whose mask is wanted."""
        self.max_sigma = max_sigma
        self.cond_ids = cond_ids
        self._total: Tensor | None = None
        self._counts = torch.zeros(frames)

    def record(
        self, mask_decoder: nn.Module, features: list[Tensor], frames: int, options: dict
    ) -> None:
        """Decode and add the masks of the wanted conditioning, if this step is a late one."""
        if float(options["sigmas"][0]) > self.max_sigma * (1 + 1e-4):
            return
        rows = [i for i, uuid in enumerate(options["uuids"]) if uuid in self.cond_ids]
        if not rows:
            return
        wanted = [
            torch.cat([feature[i * frames : (i + 1) * frames] for i in rows])
            for feature in features
        ]
        # Several positive conditionings (combined prompts) show their union.
        logits = mask_decoder(wanted, frames).amax(dim=0)[0]
        mask = logits.float().sigmoid().cpu()
        if self._total is None:
            self._total = torch.zeros(len(self._counts), *mask.shape[1:])
        window = options.get("context_window")
        index = slice(None) if window is None else list(window.index_list)
        self._total[index] += mask
        self._counts[index] += 1

    def mean(self) -> Tensor | None:
        """[frames, h, w] at latent size, 0 to 1; None where no step was recorded."""
        if self._total is None:
            return None
        return self._total / self._counts.clamp(min=1)[:, None, None]
