"""Small builds for tests: clips on the disk, the configuration, and what a run leaves."""

import hashlib
import json
import shutil
from pathlib import Path

from train.build.config import BuildConfig
from train.build.examples import write_examples
from train.build.runner import in_processes, run_stages
from train.build.stages import CANDIDATES, MASKS, SOURCES

SIZE = (64, 96)
FRAMES = 8
ALL = (SOURCES, MASKS, CANDIDATES)


def write_clips(root: Path, count: int = 2) -> Path:
    """Drawn clips with a mask on the first frame."""
    write_examples(root, count, FRAMES, SIZE, first=2)
    return root


def build_config(base: Path, clips: Path, **changes: object) -> BuildConfig:
    """A configuration of two widths; `changes` replace whole sections."""
    sections = {
        "state": base / "state",
        "sources": [{"kind": "plain", "name": "mine", "root": clips}],
        "masks": {"min_agreement": 0.1},
        "candidates": {"grow": [0, 4]},
        "selection": {"without_people": "best"},
        "export": {"output": base / "rovi", "test_share": 0.0},
    }
    return BuildConfig.model_validate({**sections, **changes})


def run(config: BuildConfig, stages: tuple[str, ...] = ALL, **options: bool) -> dict:
    """Bring stages up to date in this process; their reports by name."""
    reports = run_stages(config, stages, in_processes(0), **options)
    return {report.stage: report for report in reports}


def fingerprint(state: Path) -> dict[str, str]:
    """A checksum of every file of the stages but what they cost."""
    return {
        str(path.relative_to(state)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(state.rglob("*"))
        if path.is_file() and path.name != "cost.json" and path.suffix not in (".lock", ".sqlite")
    }


def damaged_clips(root: Path, good: Path) -> dict[str, str]:
    """Clips that cannot be used, beside good ones; words of the reason for each, by name."""
    shutil.copytree(good, root)
    name = next(path.stem for path in sorted(good.glob("made-*.json")))
    about = json.loads((good / f"{name}.json").read_text())
    thing = about["objects"][0]

    def write(clip: str, **changes: object) -> None:
        (root / f"{clip}.json").write_text(json.dumps({**about, **changes}))

    (root / "torn.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(500))
    write("torn", video="torn.mp4")
    write("missing", video="not-there.mp4")
    write("speechless", objects=[{**thing, "expressions": ["  "]}])
    write("twins", objects=[thing, {**thing, "expressions": ["the other"]}])
    write("late", objects=[{**thing, "masks": {"500": f"{name}-1.png"}}])
    from PIL import Image

    Image.new("L", (40, 40), 255).save(root / "small.png")
    write("small", objects=[{**thing, "masks": {"0": "small.png"}}])
    (root / "short").mkdir()
    for picture in sorted((good / name).iterdir())[:3]:
        shutil.copyfile(picture, root / "short" / picture.name)
    write("short", video="short")
    shutil.copytree(good / name, root / "holed")
    (root / "holed" / "00003.png").write_bytes(b"not a picture")
    write("holed", video="holed")
    (root / "nonsense.json").write_text("{")
    write("nameless", objects=[{**thing, "id": "ball"}])
    whole = Image.new("L", (96, 64), 255)
    whole.save(root / "whole.png")
    write("huge", objects=[{**thing, "masks": {"0": "whole.png"}}])
    write("wordless", objects=[{"id": 1, "expressions": ["the ball"]}])
    return {
        "torn": "torn.mp4",
        "missing": "not-there.mp4 is missing",
        "speechless": "no sentence names it",
        "twins": "2 objects have this id",
        "late": "mask of frame 500, the clip has 8",
        "small": "40 x 40 pixels, the frames are 96 x 64",
        "short": "has 3 frames, fewer than 8",
        "holed": "00003.png",
        "nonsense": "cannot be read as JSON",
        "nameless": "an id is a number",
        "huge": "too large: covers",
        "wordless": "no mask is given",
    }
