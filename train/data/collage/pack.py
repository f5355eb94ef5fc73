"""Pack what `fetch` has brought into a small folder, for a machine that can fetch nothing.

    python -m train.data.collage.pack --collage .cache/collage --output .cache/packed

Icons are drawn, so that no SVG library is needed there, photographs are reduced to the size that
collages read them at, and of WordNet only the nouns of training are kept. The folder serves
wherever that of `fetch` does, and takes about 11 MB.
"""

import argparse
import logging
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lgvi_core.errors import LGVIError

from ...engine.files import write_text
from .backgrounds import SKIMAGE, background_root, background_sources, photograph
from .icons import PACKED, draw_icon_set
from .nouns import PACKED_NOUNS, unknown_nouns

logger = logging.getLogger(__name__)

QUALITY = 92


def pack(collage: Path, output: Path) -> None:
    """Pack the folder `collage`. Raises LGVIError if something of it is missing."""
    for path in sorted((collage / "icons").glob("*/icons.json")):
        place = output / "icons" / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        icons = draw_icon_set(path)
        np.savez_compressed(place / PACKED, names=[*icons], pictures=np.stack([*icons.values()]))
        if (path.parent / "info.json").is_file():
            shutil.copy(path.parent / "info.json", place)
        logger.info("%s: %.1f MB", path.parent.name, (place / PACKED).stat().st_size / 1e6)
    for package, source in background_sources().items():
        root, place = background_root(collage, package), output / "files"
        place = place / SKIMAGE if package == SKIMAGE else place
        for name in source.get("pictures", {}):
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(root / name)).save(target, "JPEG", quality=QUALITY)
        for name in source.get("clips", {}):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, place / name)
    write_text(output / PACKED_NOUNS, "\n".join(unknown_nouns(collage)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--collage", type=Path, default=Path(".cache/collage"), help="fetch's")
    parser.add_argument("--output", type=Path, default=Path(".cache/packed"), help="folder")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        pack(args.collage, args.output)
    except LGVIError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
