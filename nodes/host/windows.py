"""ComfyUI's context-window interface for latents whose batch dimension is the frames."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.context_windows
import comfy.model_management
import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from torch import Tensor

from ...lgvi_core.windows import context_windows, window_phase, window_weights


@dataclass(frozen=True)
class Window:
    """One window, with the attribute names of ComfyUI's own windows."""

    index_list: list[int]
    """Numbers of the window's frames."""
    weights: torch.Tensor
    """Blending weights [len(index_list)] where the window overlaps others."""


class FrameWindows(comfy.context_windows.ContextHandlerABC):
    """Context handler that evaluates every window by itself and blends the predictions.

    The windows move from step to step, so that information passes beyond their ends; fixed windows
    may disagree about what the object is. With a stride, steps with windows over every stride-th
    frame alternate with steps over neighbouring frames, which costs no more than either alone: the
    former make distant frames agree, the latter neighbouring ones. The last step uses neighbouring
    frames.
    """

    dim = 0

    def __init__(self, length: int, overlap: int, stride: int = 1) -> None:
        """Make a handler for windows of `length` frames; see `context_windows`."""
        self.context_length = length
        self.overlap = overlap
        self.stride = stride

    def should_use_context(
        self,
        model: BaseModel,
        conds: list[Any],
        x_in: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any],
    ) -> bool:
        return x_in.shape[0] > self.context_length

    def get_resized_cond(
        self,
        cond_in: list[dict[str, Any]] | None,
        x_in: Tensor,
        window: Window,
        device: torch.device | None = None,
    ) -> list[dict[str, Any]] | None:
        """Return the conditionings for `window`: values with one entry per frame are cut."""
        if cond_in is None:
            return None
        frames = x_in.shape[0]
        return [
            {key: _cut(value, window.index_list, frames) for key, value in cond.items()}
            for cond in cond_in
        ]

    def execute(
        self,
        calc_cond_batch: Callable[..., list[Tensor]],
        model: BaseModel,
        conds: list[list[dict[str, Any]] | None],
        x_in: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any],
    ) -> list[Tensor]:
        """Return the blended prediction [f, 4, h, w] for each of `conds`."""
        frames = x_in.shape[0]
        totals = [torch.zeros_like(x_in) for _ in conds]
        weight_sum = x_in.new_zeros(frames, 1, 1, 1)
        options = model_options["transformer_options"]
        try:
            for span in self._windows_at(frames, timestep, options):
                comfy.model_management.throw_exception_if_processing_interrupted()
                window = Window(list(span), window_weights(span, frames, self.overlap))
                index = slice(span.start, span.stop, span.step)
                options["context_window"] = window
                cut = [self.get_resized_cond(cond, x_in, window) for cond in conds]
                outputs = calc_cond_batch(model, cut, x_in[index], timestep[index], model_options)
                weights = window.weights.to(x_in)[:, None, None, None]
                weight_sum[index] += weights
                for total, output in zip(totals, outputs, strict=True):
                    total[index] += output * weights
        finally:
            options.pop("context_window", None)
        return [total / weight_sum for total in totals]

    def _windows_at(self, frames: int, timestep: Tensor, options: dict[str, Any]) -> list[range]:
        """Return the windows of the step whose sigma is `timestep`.

        They depend on the number of steps left, so that the last step always has the same.
        """
        steps_left = int((options["sample_sigmas"] < float(timestep[0]) * (1 - 1e-4)).sum()) - 1
        stride = self.stride if steps_left % 2 else 1
        phase = window_phase(steps_left)
        return context_windows(frames, self.context_length, self.overlap, stride, phase)


def with_windows(model: ModelPatcher, length: int, overlap: int, stride: int = 1) -> ModelPatcher:
    """Return a clone of `model` that samples in windows; see `context_windows`."""
    model = model.clone()
    handler = FrameWindows(length, overlap, stride)
    model.model_options["context_handler"] = handler
    model.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, "lgvi_windows", _one_window_of_memory)
    return model


def _one_window_of_memory(
    executor: WrapperExecutor,
    model: ModelPatcher,
    noise_shape: list[int],
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Let ComfyUI reserve memory for one window instead of the whole video."""
    handler = (kwargs.get("model_options") or {}).get("context_handler")
    if handler is not None:
        noise_shape = [min(noise_shape[0], handler.context_length), *noise_shape[1:]]
    return executor(model, noise_shape, *args, **kwargs)


def _cut(value: Any, index: list[int], frames: int) -> Any:
    if isinstance(value, dict):
        return {key: _cut_cond(key, item, index, frames) for key, item in value.items()}
    if isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == frames:
        return value[index]
    return value


def _cut_cond(key: str, cond: Any, index: list[int], frames: int) -> Any:
    """Return a model cond (`comfy.conds`) for one window."""
    if key == "num_video_frames":
        return cond._copy_with(len(index))
    tensor = getattr(cond, "cond", None)
    if isinstance(tensor, torch.Tensor) and tensor.shape[0] == frames:
        return cond._copy_with(tensor[index])
    return cond
