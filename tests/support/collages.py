"""A small stand-in for what `train.data.collage.fetch` brings."""

import json
from pathlib import Path

import av
import numpy as np
from PIL import Image

from train.data.collage.backgrounds import SKIMAGE, background_sources
from train.data.collage.vocabulary import vocabulary

PLAIN = '<circle cx="16" cy="16" r="14" fill="{}"/>'
PARTS = (
    '<rect width="16" height="32" fill="#d02020"/><rect x="16" width="16" height="32" '
    'fill="#2040d0"/>'
)
UNKNOWN = ("sofa", "harbour", "violin", "teapot", "comet", "ladder", "pillow", "anvil", "statue")


def write_collage_folder(folder: Path) -> Path:
    """Write one icon set in which every noun has an icon, and small backgrounds of every name."""
    fills = ("#d02020", "#20a030", "#808080", "#f0d020")
    names = [noun.icons[0] for noun in vocabulary().nouns.values()]
    icons = {n: {"body": PLAIN.format(fills[i % 4])} for i, n in enumerate(names)}
    icons[vocabulary().nouns["pizza"].icons[0]] = {"body": PARTS}
    path = folder / "icons" / "shapes" / "icons.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"width": 32, "height": 32, "icons": icons}))
    rng = np.random.default_rng(0)
    for package, source in background_sources().items():
        if package == SKIMAGE:
            continue
        for name in source.get("pictures", {}):
            place = folder / "files" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(place)
        for name in source.get("clips", {}):
            place = folder / "files" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            write_clip(place, rng)
    index = folder / "files" / "usr" / "share" / "wordnet" / "index.noun"
    index.parent.mkdir(parents=True)
    lines = ["  1 a line of the licence"]
    lines += [f"{word} n 2 1 @ 2 1 00000001 00000002  " for word in (*UNKNOWN, "dog", "dog_house")]
    index.write_text("\n".join(lines) + "\n")
    return folder


def write_clip(path: Path, rng: np.random.Generator, frames: int = 20) -> None:
    """Write a short clip of noise."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for _ in range(frames):
            picture = rng.integers(0, 256, (48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
