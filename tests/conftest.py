"""Shared fixtures. The repository's root goes last on ``sys.path``: its ``nodes/`` must never
shadow ComfyUI's ``nodes.py``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for path in (ROOT / "tests", ROOT):
    if str(path) not in sys.path:
        sys.path.append(str(path))
