"""LGVI Save Example: keeps an accepted result, so that the next model can be trained on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "lgvi_examples"


class SaveExample(io.ComfyNode):
    """Adds a clip, its accepted result and its sentence to a folder under ComfyUI's output."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_SaveExample",
            display_name="LGVI Save Example",
            category="LGVI",
            **search_aliases("dataset", "training data", "feedback", "correction", "训练数据"),
            description=(
                "Keeps a clip with the result and the mask that you accept and the sentence for "
                "it, in ROVI's layout under ComfyUI's output folder, so that a model can learn "
                "from your corrections. Nothing leaves your computer."
            ),
            inputs=[
                io.Image.Input("source", tooltip="The clip as it was, one image per frame."),
                io.Image.Input(
                    "result", tooltip="What is right: the finished frames, of the source's size."
                ),
                io.Mask.Input(
                    "mask",
                    tooltip="What went, corrected: painted, predicted, or of a segmentation node.",
                ),
                io.String.Input(
                    "sentence",
                    multiline=True,
                    default="remove the red star",
                    tooltip="What was asked for, as one sentence.",
                ),
                io.String.Input(
                    "folder",
                    default=FOLDER,
                    tooltip="A folder inside ComfyUI's output folder; examples are added to it.",
                ),
                io.Image.Input(
                    "predicted",
                    optional=True,
                    tooltip="What the model had made, of the source's size, to compare later.",
                ),
                io.Mask.Input(
                    "predicted_mask", optional=True, tooltip="The mask that it had predicted."
                ),
                io.String.Input(
                    "history",
                    optional=True,
                    force_input=True,
                    tooltip="The history of LGVI Chat, if the sentence came from there.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="folder", tooltip="The folder's whole path, for the training."
                )
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def execute(
        cls,
        source: Tensor,
        result: Tensor,
        mask: Tensor,
        sentence: str,
        folder: str,
        predicted: Tensor | None = None,
        predicted_mask: Tensor | None = None,
        history: str | None = None,
    ) -> io.NodeOutput:
        """Add the example and say how many there are."""
        from ..lgvi_core.chat.history import read_history
        from ..lgvi_core.examples import LARGEST, Example, save_example
        from .host.output_folder import inside_output
        from .host.progress import show_text

        path = inside_output(folder)
        turns = read_history(history or "")
        saved = save_example(
            path, Example(source, result, mask, sentence, turns, predicted, predicted_mask)
        )
        told = f"{saved.count} examples in {path.name}; this one is {saved.name}."
        if saved.largest > LARGEST:
            told += (
                f" The mask covers {saved.largest:.0%} of a frame: training leaves out what covers "
                f"more than {LARGEST:.0%}."
            )
        show_text(cls.hidden.unique_id, told)
        return io.NodeOutput(str(path), ui=ui.PreviewText(told))
