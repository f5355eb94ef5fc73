"""ComfyUI's dual guidance without the passes that would change nothing."""

from typing import Any

import comfy.samplers
from comfy.patcher_extension import WrapperExecutor
from comfy_extras.nodes_custom_sampler import Guider_DualCFG
from torch import Tensor

from ...lgvi_core.settings import SamplingSettings

IDLE_KEY = "lgvi_idle_branches"
"""Key of ComfyUI's transformer_options: the numbers of the conditionings that have weight zero."""
CLOSE = 1e-4
"""Relative difference up to which noise levels are the same."""
POSITIVE = 2
"""Number of text and video among the conditionings that Guider_DualCFG hands on."""
WATCHERS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")
"""Entries of model_options whose functions see every branch."""


class IntervalGuidance(Guider_DualCFG):
    """Dual guidance in an interval of the denoising; outside it text and video alone predict."""

    def __init__(self, model: Any, settings: SamplingSettings) -> None:
        super().__init__(model)
        self.set_cfg(settings.text_scale, settings.video_scale)
        self._settings = settings

    def predict_noise(
        self,
        x: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """Return the prediction for `x` at the sigma `timestep`, as ComfyUI's samplers ask it."""
        options = model_options or {}
        if self._guides(float(timestep.flatten()[0])):
            return super().predict_noise(x, timestep, options, seed)
        positive = self.conds["positive"]
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, None, positive, 1.0, options, seed=seed
        )

    def _guides(self, sigma: float) -> bool:
        """Return whether a step at this noise level lies in the interval of the guidance."""
        to_sigma = self.inner_model.model_sampling.percent_to_sigma
        start = float(to_sigma(self._settings.guidance_start))
        end = float(to_sigma(self._settings.guidance_end))
        return end * (1 - CLOSE) <= sigma <= start * (1 + CLOSE)


def idle_branches(guider: Any) -> frozenset[int]:
    """Return the numbers of a guider's conditionings that have weight zero in its prediction.

    ComfyUI's DualCFGGuider evaluates them unless both scales are 1. Empty for another guider, and
    where a node looks at every branch.
    """
    if not isinstance(guider, Guider_DualCFG) or any(
        guider.model_options.get(name) for name in WATCHERS
    ):
        return frozenset()
    text, video = guider.cfg1, guider.cfg2
    weights = (1 - video, video - text, text)
    if getattr(guider, "nested", False):
        weights = (1 - video, video * (1 - text), video * text)
    return frozenset(i for i, weight in enumerate(weights) if weight == 0 and i != POSITIVE)


def skip_idle(
    executor: WrapperExecutor,
    model: Any,
    conds: list[Any],
    x: Tensor,
    timestep: Tensor,
    model_options: dict[str, Any],
) -> list[Tensor]:
    """Wrap ComfyUI's evaluation of the conditionings: idle ones are not evaluated.

    Their predictions are zeros, which weight zero hides.
    """
    idle = model_options.get("transformer_options", {}).get(IDLE_KEY) or ()
    if len(conds) == POSITIVE + 1:
        conds = [None if i in idle else cond for i, cond in enumerate(conds)]
    return executor(model, conds, x, timestep, model_options)
