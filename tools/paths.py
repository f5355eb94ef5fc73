"""Places in this repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository's root, which is also the pack's."""
