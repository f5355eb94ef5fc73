"""LGVI Frames From Video: some frames of a file, without loading the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io, ui

from .search import search_aliases

if TYPE_CHECKING:
    from comfy_api.v0_0_2 import Input


class FramesFromVideo(io.ComfyNode):
    """Takes a range of a video's frames, at a rate of one's own."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_FramesFromVideo",
            display_name="LGVI Frames From Video",
            category="LGVI",
            **search_aliases(
                "load video",
                "frame range",
                "every nth",
                "force rate",
                "skip frames",
                "trim",
                "抽帧",
            ),
            description=(
                "Takes a part of a video's frames: a range, every n-th one, or as many a second as "
                "you want. Only those are held in memory."
            ),
            inputs=[
                io.Video.Input("video", tooltip="From Load Video."),
                io.Float.Input(
                    "force_rate",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.5,
                    tooltip=(
                        "Frames per second to take; frames are left out or repeated for that. 0: "
                        "the video's own."
                    ),
                ),
                io.Int.Input(
                    "skip_first_frames",
                    default=0,
                    min=0,
                    max=10_000_000,
                    tooltip="Frames to leave out at the start, counted at that rate.",
                ),
                io.Int.Input(
                    "select_every_nth",
                    default=1,
                    min=1,
                    max=10_000,
                    tooltip="Take one frame in so many of those that are left.",
                ),
                io.Int.Input(
                    "frame_load_cap",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="Frames to take at most. 0: all.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The frames, one image each."),
                io.Float.Output(
                    display_name="fps", tooltip="Their frames per second, for LGVI Create Video."
                ),
                io.Int.Output(display_name="count", tooltip="How many there are."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        video: Input.Video,
        force_rate: float,
        skip_first_frames: int,
        select_every_nth: int,
        frame_load_cap: int,
    ) -> io.NodeOutput:
        """Take the frames."""
        import math

        import torch

        from ..lgvi_core.errors import LGVIError
        from ..lgvi_core.video.files import VideoReader
        from ..lgvi_core.video.planes import frame_to_rgb
        from ..lgvi_core.video.selection import Selection, selected
        from .host.cancel import stop_if_cancelled
        from .host.memory import FEWER_FRAMES, advice_when_out_of_memory
        from .host.progress import show_text
        from .host.video_files import source_of

        if not math.isfinite(force_rate):
            raise LGVIError(f"force_rate must be a number, got {force_rate}")
        selection = Selection(force_rate, skip_first_frames, select_every_nth, frame_load_cap)
        images = []
        with advice_when_out_of_memory(FEWER_FRAMES), VideoReader(source_of(video)) as reader:
            for frame in selected(reader, selection):
                stop_if_cancelled()
                images.append(frame_to_rgb(frame))
            fps = selection.rate(reader.info.fps)
            if not images:
                raise LGVIError(
                    f"no frame is left: the video has fewer than {skip_first_frames + 1} frames at "
                    "that rate; lower skip_first_frames"
                )
            frames = torch.stack(images)
        told = f"{len(frames)} frames, {fps:g} a second"
        show_text(cls.hidden.unique_id, told)
        return io.NodeOutput(frames, fps, len(frames), ui=ui.PreviewText(told))
