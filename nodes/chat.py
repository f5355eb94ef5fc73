"""LGVI Chat: turns a request in everyday words into a removal prompt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .load_chat import ChatType
from .search import search_aliases

if TYPE_CHECKING:
    from torch import Tensor

    from .host.chat_model import ComfyChat


class Chat(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_Chat",
            display_name="LGVI Chat",
            category="LGVI",
            **search_aliases(
                "llava",
                "ask",
                "vision language model",
                "VLM",
                "MLLM",
                "describe video",
                "对话",
            ),
            description=(
                "Asks the chat model what a request means for this clip. Where it names nothing "
                "to remove, the nodes after it do not run: read its reply and answer it."
            ),
            inputs=[
                ChatType.Input("chat", tooltip="The chat model of Load LGVI Chat."),
                io.Image.Input("frames", tooltip="The source clip, one image per frame."),
                io.String.Input(
                    "request",
                    multiline=True,
                    default="I only want to keep the background.",
                    tooltip="What you want, in your own words; or the answer to the last reply.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The same seed gives the same reply.",
                ),
                io.Float.Input(
                    "temperature",
                    default=0.2,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How freely the model picks its words; 0 takes the likeliest.",
                ),
                io.Int.Input(
                    "max_length",
                    default=1024,
                    min=1,
                    max=8192,
                    tooltip="The most tokens of a reply. One that breaks off has no prompt.",
                ),
                io.Boolean.Input(
                    "remember",
                    default=False,
                    tooltip=(
                        "Keep this node's turns for its next run, as long as the clip is the same "
                        "and ComfyUI runs. Switching it off forgets them. A connected history "
                        "counts instead."
                    ),
                ),
                io.String.Input(
                    "history",
                    optional=True,
                    force_input=True,
                    tooltip="The turns before this one: the history of another LGVI Chat.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="reply", tooltip="All that the model said."),
                io.String.Output(
                    display_name="prompt",
                    tooltip="'remove the bird on the left', for CLIPTextEncode (two-stage).",
                ),
                io.String.Output(
                    display_name="objects",
                    tooltip=(
                        "What to remove, one noun phrase a line, commas between, as SAM 3 reads "
                        "it: ':2' for two things, ':64' for all there are."
                    ),
                ),
                io.Conditioning.Output(
                    display_name="conditioning",
                    tooltip=(
                        "The prompt's hidden states through the MM head, for the positive of LGVI "
                        "Video Conditioning with an LGVI-I model (end to end)."
                    ),
                ),
                io.String.Output(
                    display_name="history", tooltip="All turns so far, for the next LGVI Chat."
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(
        cls, request: str | None = None, remember: bool = False, **_: object
    ) -> str:
        # The turns that a node remembers affect its result, but ComfyUI does not see them.
        from .host import chat_memory

        return chat_memory.fingerprint(str(request), bool(remember))

    @classmethod
    def execute(
        cls,
        chat: ComfyChat,
        frames: Tensor,
        request: str,
        seed: int,
        temperature: float,
        max_length: int,
        remember: bool,
        history: str | None = None,
    ) -> io.NodeOutput:
        from ..lgvi_core.canvas import check_frames
        from ..lgvi_core.chat.history import read_history, write_history
        from ..lgvi_core.chat.phrases import counted_phrases
        from .host import chat_memory
        from .host.chat_reply import conditioning_of, run, stop_if_silent
        from .host.memory import CHATTING, advice_when_out_of_memory
        from .host.progress import client, show_text

        check_frames(frames)
        hidden = cls.hidden
        key = chat_memory.conversation_key(client(), hidden.extra_pnginfo, hidden.unique_id, frames)
        if not remember:
            chat_memory.forget(key)
        kept = chat_memory.recall(key, request)
        turns = kept if history is None else read_history(history)
        show = partial(show_text, hidden.unique_id)
        with advice_when_out_of_memory(CHATTING):
            answer = run(chat, frames, request, turns, seed, temperature, max_length, show)
        if remember and history is None:
            chat_memory.keep(key, answer.history)
        return io.NodeOutput(
            answer.text,
            stop_if_silent(answer, answer.prompt),
            stop_if_silent(answer, ",\n".join(counted_phrases(answer.prompt))),
            stop_if_silent(answer, conditioning_of(answer)),
            write_history(answer.history),
            ui=ui.PreviewText(f"{answer.text}\n\n{answer.reason}".strip()),
        )
