"""Watch over the model's predictions while ComfyUI samples."""

from typing import Any

from comfy.patcher_extension import WrapperExecutor
from torch import Tensor

from ...lgvi_core.canvas import is_finite
from ...lgvi_core.errors import LGVIError
from ...lgvi_core.sampling import NAN_ADVICE

MOST_PASSES = 500
"""Predictions after which a sampler that chooses its own number of steps is ended."""


def check_prediction(executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Tensor:
    """Wrap a prediction of a step: raise LGVIError at once where it is NaN or infinite.

    An adaptive sampler would try the step again without end.
    """
    prediction: Tensor = executor(*args, **kwargs)
    if not is_finite(prediction):
        raise LGVIError(f"the sampling ended in NaN or infinity: {NAN_ADVICE}")
    return prediction


class PassLimit:
    """Wrapper of the predictions of one run that ends it after MOST_PASSES of them."""

    def __init__(self, sampler: str) -> None:
        self.sampler = sampler
        self.passes = 0

    def __call__(self, executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Tensor:
        """Count a prediction; raises LGVIError for one too many."""
        self.passes += 1
        if self.passes > MOST_PASSES:
            raise LGVIError(
                f"sampler {self.sampler!r} chooses its own number of steps, and found no end in "
                f"{MOST_PASSES} of them: choose another sampler"
            )
        prediction: Tensor = executor(*args, **kwargs)
        return prediction
