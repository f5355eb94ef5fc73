"""ComfyUI's context-window interface for latents whose batch is the frames."""

from dataclasses import dataclass

import comfy.context_windows
import comfy.model_management
import torch
from comfy.patcher_extension import WrappersMP

from ...lgvi_core.windows import context_windows, window_phase, window_weights


@dataclass(frozen=True)
class Window:
    """Frame numbers of one window, under the name that ComfyUI's own windows use."""

    index_list: list[int]
    weights: torch.Tensor
    """[len(index_list)], how much this window counts where it overlaps others."""


class FrameWindows(comfy.context_windows.ContextHandlerABC):
    """Evaluates every window by itself and blends what they predict.

    From step to step the windows move, so that what one of them sees reaches the frames beyond its
    ends: windows that stay where they are may disagree about what the object is. With a stride,
    steps of windows over every stride-th frame and of windows over neighbouring frames take turns,
    at the cost of one of them: the first agree on what is far apart in time, the second on what
    follows each other. The last step is one of neighbours.
    """

    dim = 0

    def __init__(self, length: int, overlap: int, stride: int = 1) -> None:
        self.context_length = length
        self.overlap = overlap
        self.stride = stride

    def should_use_context(self, model, conds, x_in, timestep, model_options) -> bool:
        return x_in.shape[0] > self.context_length

    def get_resized_cond(self, cond_in, x_in, window, device=None):
        """The conditionings of ``window`` alone: whatever has one entry per frame is cut."""
        if cond_in is None:
            return None
        frames = x_in.shape[0]
        return [
            {key: _cut(value, window.index_list, frames) for key, value in cond.items()}
            for cond in cond_in
        ]

    def execute(self, calc_cond_batch, model, conds, x_in, timestep, model_options):
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

    def _windows_at(self, frames: int, timestep: torch.Tensor, options: dict) -> list[range]:
        """The windows of the step whose sigma is ``timestep``, counted back from the last step."""
        steps_left = int((options["sample_sigmas"] < float(timestep[0]) * (1 - 1e-4)).sum()) - 1
        stride = self.stride if steps_left % 2 else 1
        phase = window_phase(steps_left)
        return context_windows(frames, self.context_length, self.overlap, stride, phase)


def with_windows(model, length: int, overlap: int, stride: int = 1):
    """A clone of ``model`` that samples in windows."""
    model = model.clone()
    handler = FrameWindows(length, overlap, stride)
    model.model_options["context_handler"] = handler
    model.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, "lgvi_windows", _one_window_of_memory)
    return model


def _one_window_of_memory(executor, model, noise_shape, *args, **kwargs):
    """Let ComfyUI reserve memory for one window instead of the whole clip."""
    handler = (kwargs.get("model_options") or {}).get("context_handler")
    if handler is not None:
        noise_shape = [min(noise_shape[0], handler.context_length), *noise_shape[1:]]
    return executor(model, noise_shape, *args, **kwargs)


def _cut(value, index: list[int], frames: int):
    if isinstance(value, dict):
        return {key: _cut_cond(key, item, index, frames) for key, item in value.items()}
    if isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == frames:
        return value[index]
    return value


def _cut_cond(key: str, cond, index: list[int], frames: int):
    """A model cond (comfy.conds) of one window."""
    if key == "num_video_frames":
        return cond._copy_with(len(index))
    tensor = getattr(cond, "cond", None)
    if isinstance(tensor, torch.Tensor) and tensor.shape[0] == frames:
        return cond._copy_with(tensor[index])
    return cond
