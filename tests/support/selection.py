"""A selection page to test: items without any video behind them, and its server as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tools.paths import ROOT
from train.build.candidates.preview import PREVIEW, write_previews
from train.build.candidates.quality import Quality
from train.build.config import BuildConfig
from train.build.runner import run_stages
from train.build.state import RESULT, Result, State

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
WIDTHS = (0, 3, 5, 7, 10, 15)


def write_items(base: Path, count: int, annotators: int = 1) -> Path:
    """A state with `count` items, whose pictures are all the same files; returns its YAML file."""
    video = base / "clips" / "video"
    video.mkdir(parents=True)
    (video / "0.png").touch()  # nobody reads it: the results are put in place
    frames = np.linspace(40, 200, 6 * 90 * 160 * 3).reshape(6, 90, 160, 3).astype(np.uint8)
    mask = np.zeros((6, 90, 160), bool)
    mask[:, 30:60, 60:100] = True
    shown = {str(w): np.where(mask[..., None], 20 + 12 * w, frames) for w in WIDTHS}
    shown = {name: clip.astype(np.uint8) for name, clip in shown.items()}
    layout = write_previews(base / PREVIEW, frames, mask, shown, 160, 6)
    for i in range(count):
        about = {"video": "video", "objects": [{"id": 1, "expressions": [f"the thing {i}"]}]}
        (base / "clips" / f"c{i:05d}.json").write_text(json.dumps(about))
    file = base / "build.yaml"
    file.write_text(
        json.dumps(
            {
                "state": str(base / "state"),
                "sources": [{"kind": "plain", "name": "mine", "root": str(base / "clips")}],
                "selection": {"annotators": annotators},
                "export": {"output": str(base / "rovi")},
            }
        )
    )
    config = BuildConfig.model_validate_json(file.read_text())
    _fill(config, base, layout)
    return file


def _fill(config: BuildConfig, base: Path, layout: dict[str, int]) -> None:
    """Put results in place of those that the stages would have made."""
    state = State(config.state)
    figures = [
        {"grow": w, **Quality(1.0 + w, 2.0, 0.5, 0.1).as_facts(), "refused": ""} for w in WIDTHS
    ]
    figures[-1]["refused"] = "unseen 0.9 above 0.8"

    def spread(_: BuildConfig, stage: str, jobs: list[Any]) -> Iterator[tuple[Any, Result]]:
        for i, job in enumerate(jobs):
            thing = {"id": 1, "expressions": [f"the thing {i}"], "category": "thing"}
            clip = {"source": "mine", "clip": f"c{i:05d}", "split": "", "frames": 6, "step": 1}
            if stage == "candidates":
                thing |= {"box": [60, 30, 100, 60], "preview": layout, "candidates": figures}

            # Straight into its place: 10,000 items need not survive a power cut.
            place = state.folder(stage, job.key)
            (place / "1").mkdir(parents=True)
            if stage == "candidates":
                (place / "1" / PREVIEW).symlink_to(base / PREVIEW, target_is_directory=True)
            result = Result(job.key, job.made_with, "", {**clip, "objects": [thing]})
            content = {"made_with": job.made_with, "problem": "", "facts": result.facts}
            (place / RESULT).write_text(json.dumps(content))
            yield job, result

    run_stages(config, ("sources", "masks", "candidates"), spread)


class Selection:
    """Client of a running page."""

    def __init__(self, url: str, process: subprocess.Popen) -> None:
        self.url, self.process = url, process

    def get(self, path: str) -> Any:
        with OPENER.open(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, **body: object) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with OPENER.open(request, timeout=60) as answer:
            return json.loads(answer.read())

    def choose(self, annotator: str, choice: str, **changes: object) -> dict[str, Any] | None:
        """Choose for the next item of a person; returns the item."""
        item = self.get(f"/api/next?annotator={annotator}")["item"]
        if item is not None:
            keys = ("item", "revision", "expressions")
            body = {**{k: item[k] for k in keys}, "choice": choice, "annotator": annotator}
            self.post("/api/choices", **{**body, **changes})
        return item

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def selection(config: Path, *options: str) -> Iterator[Selection]:
    """Serve the page as a process of its own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "train.build", "select", "--config", str(config)]
    process = subprocess.Popen([*command, "--port", str(port), *options], cwd=ROOT)
    served = Selection(f"http://127.0.0.1:{port}", process)
    try:
        _wait(served)
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM if os.name == "posix" else signal.SIGINT)
            process.wait(60)


def _wait(served: Selection) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if served.process.poll() is not None:
            raise RuntimeError(f"the page's server ended with {served.process.returncode}")
        try:
            OPENER.open(served.url, timeout=10).close()
            return
        except urllib.error.HTTPError:
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise TimeoutError("the page's server did not answer")
