"""LGVI Context Windows: samples long videos window by window, in the memory of one window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io

from .search import search_aliases

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher


class ContextWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_ContextWindows",
            display_name="LGVI Context Windows",
            category="LGVI",
            **search_aliases("long video", "sliding window", "low memory", "长视频"),
            description=(
                "Lets the model see a long clip in overlapping windows at every step, blended "
                "where they overlap. Clips no longer than one window pass unchanged."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The MODEL of Load LGVI."),
                io.Int.Input(
                    "length",
                    default=24,
                    min=1,
                    max=1024,
                    tooltip="Frames per window: 24 as in training. Fewer need less memory.",
                ),
                io.Int.Input(
                    "overlap",
                    default=8,
                    min=0,
                    max=1023,
                    tooltip="Frames that neighbouring windows share at least.",
                ),
                io.Int.Input(
                    "stride",
                    default=1,
                    min=1,
                    max=64,
                    optional=True,
                    tooltip=(
                        "Every second step sees frames that are so far apart, so that a window "
                        "spans as much time as in training: 5 for 30 fps, 10 for 60 fps."
                    ),
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The MODEL with windows.")],
        )

    @classmethod
    def execute(
        cls, model: ModelPatcher, length: int, overlap: int, stride: int = 1
    ) -> io.NodeOutput:
        from ..lgvi_core.windows import context_windows
        from .host.sampling import check_is_lgvi
        from .host.windows import with_windows

        check_is_lgvi(model)
        context_windows(1, length, overlap, stride)
        return io.NodeOutput(with_windows(model, length, overlap, stride))
