"""Folders under ComfyUI's output folder that a person names."""

from pathlib import Path

import folder_paths

from ...lgvi_core.errors import LGVIError


def inside_output(name: str) -> Path:
    """The folder `name` inside the output folder.

    Raises LGVIError for a name that is empty or leads out of it.
    """
    output = Path(folder_paths.get_output_directory()).resolve()
    path = (output / name.strip()).resolve()
    if path == output or output not in path.parents:
        raise LGVIError(
            f"folder is {name!r}, which is not inside {output}: give a name such as lgvi_examples"
        )
    return path
