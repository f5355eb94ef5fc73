"""Check the types of all Python that is not a test.

    python -m tools.check_types

The nodes are checked as ComfyUI imports them: as a package of which the repository is the root.
ComfyUI's own modules are not looked at.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from .paths import ROOT, link_folder

PACKAGE = "lgvi_pack"
NODES = ("__init__.py", "nodes")


def main() -> int:
    """The exit code of mypy: of the plain packages, or else of the nodes."""
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    plain = subprocess.run(mypy, cwd=ROOT).returncode
    with tempfile.TemporaryDirectory() as folder:
        link_folder(Path(folder) / PACKAGE, ROOT)
        cache = ROOT / ".mypy_cache" / PACKAGE
        paths = [str(Path(PACKAGE) / name) for name in NODES]
        nodes = subprocess.run([*mypy, "--cache-dir", str(cache), *paths], cwd=folder).returncode
    return plain or nodes


if __name__ == "__main__":
    sys.exit(main())
