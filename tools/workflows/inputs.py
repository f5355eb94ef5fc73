"""Folders and files that the workflows expect in ComfyUI's folders.

The sample clip is not among them: the pack itself brings it when ComfyUI starts.
"""

from pathlib import Path

from ..paths import ROOT
from ..workflows.parts import CLIP

SAMPLE = ROOT / "workflows" / "inputs" / CLIP


def prepare(base: Path) -> None:
    """Make what a first start needs below `base`, a ComfyUI base directory."""
    (base / "input").mkdir(parents=True, exist_ok=True)
