"""LGVI Create Video: frames and sound as a VIDEO of any size, with an odd number of pixels too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io, ui

if TYPE_CHECKING:
    from torch import Tensor

ODD = (
    "{width} x {height} pixels, an odd side: kept as it is, in YUV 4:4:4. Browsers and some "
    "players do not show such a file; editing software does."
)


class CreateVideo(io.ComfyNode):
    """Writes frames to a video file that Save Video takes over unchanged."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's inputs, outputs and texts."""
        return io.Schema(
            node_id="LGVI_CreateVideo",
            display_name="LGVI Create Video",
            category="LGVI",
            description=(
                "Makes a video of frames and sound, for Save Video. Unlike ComfyUI's Create Video "
                "it takes sizes with an odd number of pixels, and any quality."
            ),
            inputs=[
                io.Image.Input("images", tooltip="The frames, of any size."),
                io.Float.Input(
                    "fps",
                    default=30.0,
                    min=1.0,
                    max=1000.0,
                    step=0.01,
                    tooltip="Frames per second: those of Get Video Components.",
                ),
                io.Int.Input(
                    "crf",
                    default=16,
                    min=0,
                    max=51,
                    tooltip=(
                        "Quality of the file: 0 loses nothing and makes large files, 16 is hard to "
                        "tell from that, 23 makes small ones."
                    ),
                ),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound, cut to the length of the frames."
                ),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="The video, for Save Video.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, images: Tensor, fps: float, crf: int, audio: dict[str, Any] | None = None
    ) -> io.NodeOutput:
        """Write the video to a file among ComfyUI's temporary ones."""
        import math

        from ..lgvi_core.canvas import check_frames
        from ..lgvi_core.video.encode import write_frames
        from ..lgvi_core.video.output import frame_rate
        from .host.cancel import stop_if_cancelled
        from .host.progress import show_text
        from .host.video_files import new_file, video_of

        check_frames(images)
        rate = frame_rate(fps)
        sound, sound_rate = None, 0
        if audio is not None:
            sound_rate = audio["sample_rate"]
            sound = audio["waveform"][0, :, : math.ceil(sound_rate / rate * len(images))]
        path = new_file()
        video = video_of(path)
        write_frames(path, images, rate, sound, sound_rate, crf, watch=stop_if_cancelled)
        height, width = images.shape[1:3]
        told = None
        if height % 2 or width % 2:
            text = ODD.format(width=width, height=height)
            show_text(cls.hidden.unique_id, text)
            told = ui.PreviewText(text)
        return io.NodeOutput(video, ui=told)
