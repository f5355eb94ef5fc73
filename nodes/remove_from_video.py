"""LGVI Remove From Video: removes an object from a whole video file of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io, ui

from .inputs import (
    MASK_INPUTS,
    TEXT_INPUTS,
    WORKING_SIZE,
    interval_inputs,
    reach_input,
    sampling_inputs,
)
from .search import search_aliases

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from comfy.sd import VAE
    from comfy_api.v0_0_2 import Input

    from .host.conditioning import Conditioning


class RemoveFromVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_RemoveFromVideo",
            display_name="LGVI Remove From Video",
            category="LGVI",
            **search_aliases(
                "remove object",
                "delete object",
                "erase",
                "inpaint video",
                "video inpainting",
                "clean plate",
                "object removal",
                "去除物体",
                "消除",
                "视频修复",
            ),
            description=(
                "Removes an object from a whole video file without loading it: size, length, "
                "frame times, depth of colour and sound come back as they were, and only what the "
                "predicted mask covers is changed. For clips of any length."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The MODEL of Load LGVI, with LoRAs as you like."),
                io.Vae.Input("vae", tooltip="The VAE of Load LGVI."),
                *TEXT_INPUTS,
                io.Video.Input("video", tooltip="The video, as Load Video gives it."),
                WORKING_SIZE,
                io.Float.Input(
                    "working_fps",
                    default=6.0,
                    min=0.0,
                    max=240.0,
                    step=0.5,
                    tooltip=(
                        "Frames per second that the model sees together, 6 as in training; the "
                        "frames between are worked on as well. 0 takes neighbouring frames."
                    ),
                ),
                *sampling_inputs(),
                io.Int.Input(
                    "window",
                    default=24,
                    min=1,
                    max=1024,
                    tooltip="Frames that the model sees at a time. Fewer need less memory.",
                ),
                io.Int.Input(
                    "overlap",
                    default=8,
                    min=0,
                    max=1023,
                    tooltip="Frames that neighbouring windows, and segments, share at least.",
                ),
                io.Int.Input(
                    "segment",
                    default=240,
                    min=2,
                    max=100_000,
                    tooltip=(
                        "Frames that are sampled together, in windows; the next segment goes on "
                        "from the last frames of this one. Fewer need less memory."
                    ),
                ),
                *MASK_INPUTS,
                io.Int.Input(
                    "crf",
                    default=16,
                    min=0,
                    max=51,
                    tooltip=(
                        "Quality of the file that is written: 0 loses nothing and makes large "
                        "files, 16 is hard to tell from that, 23 makes small ones."
                    ),
                ),
                io.Boolean.Input(
                    "background",
                    default=True,
                    optional=True,
                    tooltip=(
                        "Put back what other frames show behind the object, sharp and at the "
                        "file's own size; the model then paints only what no frame shows. Off: the "
                        "model paints all of it."
                    ),
                ),
                reach_input(optional=True),
                *interval_inputs(),
                io.Int.Input(
                    "look_every",
                    default=0,
                    min=0,
                    max=1000,
                    optional=True,
                    tooltip=(
                        "A first look at one frame in so many: segments of a long video in which "
                        "none of them shows the object are copied, not sampled. What is in sight "
                        "for fewer frames may be missed. 0: all segments are sampled."
                    ),
                ),
                io.Boolean.Input(
                    "crop",
                    default=True,
                    optional=True,
                    tooltip=(
                        "Work on a small object in a crop that follows it, where a first look "
                        "shows that this helps; and look for it in larger sizes if it is not found."
                    ),
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", tooltip="The video without the object, for Save Video."
                ),
                io.Video.Output(
                    display_name="mask", tooltip="What was changed, white on black, as a video."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="What was done, with which settings, and what to try if nothing was.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        vae: VAE | None,
        positive: Conditioning,
        video: Input.Video,
        negative: Conditioning | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        from functools import partial

        from ..lgvi_core.errors import LGVIError
        from .host import video_files
        from .host.conditioning import unconditional
        from .host.memory import WHOLE_VIDEO, advice_when_out_of_memory
        from .host.progress import show_text
        from .host.whole_video import Removal, remove

        if vae is None:
            raise LGVIError("there is no VAE: this model file has none, connect Load VAE instead")
        negative = unconditional(positive, negative)
        removal = Removal.from_inputs(model, vae, positive, negative, **settings)
        report = partial(show_text, cls.hidden.unique_id)
        result, mask = video_files.new_file(), video_files.new_file()
        videos = [video_files.video_of(path) for path in (result, mask)]
        with advice_when_out_of_memory(WHOLE_VIDEO):
            done = remove(video_files.source_of(video), removal, result, mask, report)
        report(done)
        return io.NodeOutput(*videos, done, ui=ui.PreviewText(done))
