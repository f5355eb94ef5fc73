"""Small data sets for the tests of training data, and ways to damage them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from train.data.generated.reader import GeneratedReader

SIZE = (32, 48)
FRAMES = 4
ONE_ENTRY = {"v": {"objects": {"1": {"expressions": ["the cat"]}}}}
SCENES = {
    "10": {
        "width": 48,
        "height": 32,
        "objects": {
            "1": {"name": "cup", "attributes": ["white"], "relations": []},
            "2": {
                "name": "chair",
                "attributes": [],
                "relations": [{"name": "near", "object": "1"}],
            },
            "3": {"name": "chair", "attributes": [], "relations": []},
            "4": {"name": "lamp", "relations": [], "bidirected": False},
        },
        "image_relative_positions": {
            "1": "to the center",
            "2": "at the left",
            "3": "to the right",
            "4": "at the left",
        },
    },
    "11": {
        "width": 32,
        "height": 32,
        "objects": {str(i): {"name": "dog", "relations": []} for i in (5, 6, 7)}
        | {"8": {"name": "ball", "relations": []}},
        "image_relative_positions": {"8": "at the right"},
    },
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def generated(count: int = 6) -> GeneratedReader:
    return GeneratedReader("train", SIZE, count)


def write_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def write_indexed(path: Path, ids: np.ndarray) -> None:
    image = Image.fromarray(ids.astype(np.uint8), mode="L")
    image.putpalette([0, 0, 0, 236, 95, 103, 153, 199, 148, 250, 200, 99])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def handmade_rovi(root: Path, table: object, names: list[str]) -> Path:
    """Write a ROVI of one video "v".

    Frame i is grey i + 1; object 1 covers 1/16 of the frame, object 2 half of it.
    """
    ids = np.zeros(SIZE, np.uint8)
    ids[:8, :12] = 1
    ids[16:, :] = 2
    for i, name in enumerate(names):
        write_picture(root / f"JPEGImages/v/{name}.png", np.full((*SIZE, 3), i + 1, np.uint8))
        write_indexed(root / f"Annotations/v/{name}.png", ids)
        for key in (1, 2):
            grey = np.full((*SIZE, 3), 100 * key + i, np.uint8)
            write_picture(root / f"InpaintImages/v/{key}/{name}.png", grey)
    (root / "train.json").write_text(json.dumps(table))
    return root


def handmade_gqa(root: Path) -> Path:
    """Write a GQA-Inpaint of two pictures.

    Picture 10 is 48 x 32 pixels, its left third red; its inpainted squares are 16 x 16.
    """
    wide = np.zeros((32, 48, 3), np.uint8)
    wide[:, :16] = (255, 0, 0)
    write_picture(root / "images/10.jpg", wide)
    write_picture(root / "images/11.jpg", np.full((32, 32, 3), 90, np.uint8))
    square = np.zeros((16, 16), np.uint8)
    square[4:12, 4:12] = 255
    for image, keys, size in (("10", "123", 16), ("11", "8", 32)):
        for key in keys:
            grey = np.full((size, size, 3), 50, np.uint8)
            write_picture(root / f"images_inpainted/{image}/{key}.jpg", grey)
            write_picture(root / f"masks/{image}/{key}.jpg", square)
    (root / "train_scenes.json").write_text(json.dumps(SCENES))
    return root


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
