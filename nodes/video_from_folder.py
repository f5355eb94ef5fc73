"""LGVI Video From Folder: gives the videos of a folder, one in each run."""

from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import InputImpl, io, ui

from .host.catalogue import file_stats
from .search import search_aliases

NONE = "(no folder with videos in input)"


class VideoFromFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LGVI_VideoFromFolder",
            display_name="LGVI Video From Folder",
            category="LGVI",
            **search_aliases("batch", "load videos", "directory", "batch video", "批量"),
            description=(
                "Gives one video of a folder, and the next one in the next run. Queue as many "
                "runs as there are videos: each is saved as soon as it is done, and one that "
                "fails does not keep the others from being done."
            ),
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=list_folders() or [NONE],
                    tooltip="A folder inside ComfyUI's input folder that holds videos.",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=1_000_000,
                    control_after_generate=True,
                    tooltip=(
                        "Which video, by name; the first one is 0. With 'increment' below, every "
                        "run takes the next one."
                    ),
                ),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The video, as Load Video gives it."),
                io.String.Output(
                    display_name="name",
                    tooltip="Its name without ending, for the filename_prefix of Save Video.",
                ),
                io.Int.Output(display_name="count", tooltip="How many videos the folder holds."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, folder: str | None) -> bool | str:
        # This check replaces ComfyUI's own, which rejects folders added since the page was loaded.
        # None stands for a name that another node will give; `choose` checks it.
        return folder is None or folder in list_folders() or _no_folder(folder)

    @classmethod
    def fingerprint_inputs(cls, folder: str, index: int) -> str:
        return str([(path.name, file_stats(path)) for path in videos_in(folder)])

    @classmethod
    def execute(cls, folder: str, index: int) -> io.NodeOutput:
        from .host.progress import show_text

        path, count = choose(folder, index)
        told = f"{index + 1} of {count}: {path.name}"
        show_text(cls.hidden.unique_id, told)
        video = InputImpl.VideoFromFile(str(path))
        return io.NodeOutput(video, path.stem, count, ui=ui.PreviewText(told))


def choose(folder: str, index: int) -> tuple[Path, int]:
    """Return the video with this index in `folder`, and the number of videos there.

    Raises LGVIError where there is no such folder or video.
    """
    from ..lgvi_core.errors import LGVIError

    if folder not in list_folders():
        raise LGVIError(_no_folder(folder))
    paths = videos_in(folder)
    if index >= len(paths):
        raise LGVIError(
            f"all done: {folder} holds {len(paths)} videos, the last one has index "
            f"{len(paths) - 1}; set index to 0 to begin again"
        )
    return paths[index], len(paths)


def list_folders() -> list[str]:
    """Return the names of the folders in ComfyUI's input folder that hold videos."""
    root = Path(folder_paths.get_input_directory())
    found = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(name for name in found if _holds_videos(name))


def _holds_videos(folder: str) -> bool:
    try:
        return bool(videos_in(folder))
    except OSError:  # an unreadable folder must not keep the whole pack from loading
        return False


def videos_in(folder: str) -> list[Path]:
    """Return the video files of a folder in ComfyUI's input folder, sorted by name."""
    place = Path(folder_paths.get_input_directory()) / folder
    names = [path.name for path in place.iterdir() if path.is_file()]
    return [
        place / name for name in sorted(folder_paths.filter_files_content_types(names, ["video"]))
    ]


def _no_folder(name: str) -> str:
    root = folder_paths.get_input_directory()
    return f"there is no folder {name!r} with videos in {root}: make one, then press R"
