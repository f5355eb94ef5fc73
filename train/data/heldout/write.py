"""Make the held-out clips, which test models on drawings, grounds and words that they never met.

    python -m train.data.heldout.write --assets .cache/heldout/assets --output .cache/heldout/clips

The same assets, seed and nouns give the same clips. The output folder receives one NumPy file for
each clip, clips.json with the requests, and pictures of all clips to look at.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lgvi_core.checkpoint.files import atomic_write
from lgvi_core.errors import LGVIError

from ...engine.files import write_json
from ..naming import Described
from .assets import Assets, first_nouns, plural, read_nouns
from .backgrounds import read_footage
from .clip import Clip, Footage
from .placing import Maker
from .reader import INDEX
from .scene import Rendering, Scene
from .sheets import write_sheets
from .strata import all_clips
from .talks import all_talks

SEED = 20
VERSION = 1


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with a message where something is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--assets", type=Path, default=Path(".cache/heldout/assets"))
    parser.add_argument("--output", type=Path, default=Path(".cache/heldout/clips"))
    parser.add_argument("--seed", type=int, default=SEED, help="of all random choices")
    parser.add_argument("--share", type=float, default=1.0, help="of the clips of each stratum")
    parser.add_argument(
        "--drawn-only", action="store_true", help="only what needs no assets: our own drawings"
    )
    parser.add_argument("--known", help="file of the nouns that the model knows, one in a line")
    options = parser.parse_args(arguments)
    try:
        assets = Assets(None) if options.drawn_only else Assets.open(options.assets)
        known = first_nouns()
        if options.known:
            known = tuple(Path(options.known).read_text(encoding="utf-8").split())
        maker = Maker(assets, read_nouns(), known)
        made = (all_clips, all_talks)
        clips = (clip for make in made for clip in make(maker, options.seed, options.share))
        about = {"version": VERSION, "seed": options.seed, "known": known}
        write_clips(clips, assets, options.output, about)
    except (LGVIError, OSError, ValueError) as error:
        sys.exit(f"{parser.prog}: {error}")


def write_clips(
    clips: Iterable[Clip], assets: Assets, folder: Path, about: dict[str, Any] | None = None
) -> None:
    """Write clips into a folder, and an index of them with what it is `about`."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, clip in enumerate(tqdm(clips, unit="clip")):
        file = f"{number:04d}.npz"
        arrays, things = rendered(clip, assets)
        with atomic_write(folder / file) as partial, partial.open("wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        entries.append(
            {
                "name": clip.name,
                "file": file,
                "sentence": clip.request.sentence,
                "kind": clip.request.kind,
                "removed": clip.request.removed,
                "strata": clip.strata,
                "pair_of": clip.pair_of,
                "asked": clip.asked,
                "things": things,
            }
        )
    write_json(folder / INDEX, {**(about or {}), "clips": entries})
    write_sheets(folder)


def rendered(clip: Clip, assets: Assets) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """The arrays of a clip as the reader expects them, and a description of its things."""
    if isinstance(clip.source, Footage):
        film = clip.source
        files = assets.footage(film.name)[film.start : film.start + 8 * film.step : film.step]
        frames = read_footage(files, *film.size)
        return {"source": frames, "masks": np.zeros((0, *frames.shape[:3]), np.uint8)}, []
    scene, removed = clip.source, clip.request.removed
    kept = [i for i in range(len(scene.things)) if i not in removed]
    rendering = Rendering(scene)
    arrays = {"source": rendering.frames(), "masks": rendering.coverage()}
    if removed:
        arrays["target"] = rendering.frames(kept)
    for i in kept:
        arrays[f"without_{i}"] = rendering.frames([k for k in kept if k != i])
    return arrays, _described(scene)


def _described(scene: Scene) -> list[dict[str, Any]]:
    nouns, aspect = read_nouns(), scene.width / scene.height
    found = []
    for thing in scene.things:
        names = (thing.noun, *nouns[thing.noun].synonyms)
        plurals = tuple(plural(name, nouns) for name in names)
        x, y = (float(v) for v in thing.path[0])
        described = Described(names, plurals, thing.colour, thing.size, x / aspect, y, thing.moves)
        found.append(asdict(described))
    return found


if __name__ == "__main__":
    main()
