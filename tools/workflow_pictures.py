"""Run workflow files in a real ComfyUI and write the pictures that the template browser shows.

    COMFYUI_PATH=... python -m tools.workflow_pictures [NAME ...]

A picture shows the title, the source video, below it the mask where the workflow shows one, then
the result. Where SAM 3 would make the mask, one by colour takes its place, and the picture says so:
its weights are not needed here.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .comfyui.server import ComfyServer, running_server
from .comfyui.workflow import load_workflow, to_prompt
from .demo import COLUMNS, read_frames
from .paths import ROOT
from .sam3_nodes import with_sam3, without_sam3
from .workflows.inputs import SAMPLE, prepare
from .workflows.titles import TITLES

FOLDER = ROOT / "workflows"
ROWS = ("Mask", "Result")
"""Titles of the nodes whose pictures or videos are shown."""
STAND_IN = "This picture: a mask by colour in place of SAM 3's"
CAPTION_HEIGHT, FONT_SIZE = 64, 46


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    known = list(TITLES)
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(known)}")
    names = parser.parse_args().names or known
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        prepare(base)
        with running_server(base) as server:
            for name in names:
                start = time.monotonic()
                workflow = load_workflow(FOLDER / f"{TITLES[name]}.json")
                whole = to_prompt(workflow, with_sam3(server.get("/object_info")))
                prompt = without_sam3(whole)
                picture = contact_sheet(server, workflow, server.run(prompt), base)
                picture = captioned(picture, TITLES[name].split(" ", 1)[1], above=True)
                if prompt != whole:
                    picture = captioned(picture, STAND_IN)
                picture.save(FOLDER / f"{TITLES[name]}.jpg", quality=85)
                print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


def contact_sheet(
    server: ComfyServer, workflow: dict[str, Any], outputs: dict[str, Any], folder: Path
) -> Image.Image:
    """A picture with a row each for source, mask and result, and frames spread over the video."""
    rows = [read_frames(SAMPLE)]
    for title in ROWS:
        for node in workflow["nodes"]:
            if node.get("title") == title and str(node["id"]) in outputs:
                rows.append(_frames(server, outputs[str(node["id"])]["images"], folder))
    cells = []
    for frames in rows:
        index = np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)
        cells.append(np.concatenate(list(frames[index]), axis=1))
    return Image.fromarray(np.concatenate(cells, axis=0))


def captioned(picture: Image.Image, text: str, above: bool = False) -> Image.Image:
    """Return the picture with a line of text below it, or above."""
    whole = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT), "black")
    whole.paste(picture, (0, CAPTION_HEIGHT if above else 0))
    row = CAPTION_HEIGHT / 2 if above else whole.height - CAPTION_HEIGHT / 2
    middle = (whole.width / 2, row)
    font = ImageFont.load_default(FONT_SIZE)
    ImageDraw.Draw(whole).text(middle, text, "white", font, anchor="mm")
    return whole


def _frames(server: ComfyServer, items: list[dict[str, str]], folder: Path) -> np.ndarray:
    """Frames of an output, uint8 RGB [f, h, w, 3]: those of a video, or a batch of pictures."""
    contents = [server.file(item) for item in items]
    if len(items) > 1:
        return np.stack([np.array(Image.open(io.BytesIO(c)).convert("RGB")) for c in contents])
    video = folder / "shown.mp4"
    video.write_bytes(contents[0])
    return read_frames(video)


if __name__ == "__main__":
    main()
