"""Paths in this repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""Root of the repository, which is also the root of the pack."""
