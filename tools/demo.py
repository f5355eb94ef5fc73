"""Remove an object from the sample video in a real ComfyUI, as `python run.py demo` does.

It writes the finished video, the mask video and a side-by-side picture, and prints their paths.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import torch
from PIL import Image

from .comfyui.server import ComfyServer, PromptFailed, running_server
from .comfyui.workflow import load_workflow, to_prompt
from .paths import ROOT
from .workflows.titles import TITLES

WORKFLOW = ROOT / "workflows" / f"{TITLES['remove_object']}.json"
CLIP = ROOT / "workflows" / "inputs" / "lgvi_sample.mp4"
COLUMNS = 4
CLIENT = "demo"


def main() -> int:
    """Run the demo; return 1 where ComfyUI fails or the result differs from the source in form."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to write")
    output = parser.parse_args().output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    options = () if torch.cuda.is_available() else ("--cpu",)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        print("Starting ComfyUI ...", flush=True)
        with running_server(base, options) as server:
            workflow = load_workflow(WORKFLOW)
            start = time.monotonic()
            try:
                outputs = asyncio.run(run_with_progress(server, workflow))
            except PromptFailed as error:
                print(f"ComfyUI could not run the workflow: {error}", file=sys.stderr)
                return 1
            print(f"Done in {time.monotonic() - start:.1f} s.")
            videos = {}
            for node in workflow["nodes"]:
                if node["type"] == "SaveVideo":
                    item = outputs[str(node["id"])]["images"][0]
                    videos[node["title"].lower()] = output / f"{node['title'].lower()}.mp4"
                    videos[node["title"].lower()].write_bytes(server.file(item))
    picture = output / "side_by_side.png"
    side_by_side(CLIP, videos["mask"], videos["result"]).save(picture)
    problems = differences(describe(CLIP), describe(videos["result"]))
    for name, path in (*videos.items(), ("source, mask, result", picture)):
        print(f"{name}: {path}")
    for problem in problems:
        print(f"the result differs from the source: {problem}", file=sys.stderr)
    return 1 if problems else 0


async def run_with_progress(server: ComfyServer, workflow: dict[str, Any]) -> dict[str, Any]:
    """Run a workflow, print its progress, and return its outputs by node id."""
    prompt = to_prompt(workflow, server.get("/object_info"))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}/ws?clientId={CLIENT}", max_msg_size=0) as socket,
    ):
        prompt_id = server.queue(prompt, workflow, CLIENT)
        async for message in socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                continue
            event = message.json()
            data = event["data"]
            if data.get("prompt_id") not in (None, prompt_id):
                continue
            if event["type"] == "executing" and data["node"]:
                print(f"  {prompt[data['node']]['class_type']}", flush=True)
            elif event["type"] == "progress" and prompt[data["node"]]["class_type"].startswith(
                "LGVI"
            ):
                print(f"    step {data['value']} of {data['max']}", flush=True)
            elif event["type"] in ("execution_success", "execution_error"):
                break
    return server.wait(prompt_id)


def read_frames(path: Path) -> np.ndarray:
    """Read every frame of a video: uint8 RGB [f, h, w, 3]."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def describe(path: Path) -> dict[str, Any]:
    """Properties that a result shares with its source: size, frames, rate, seconds of audio."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        audio = container.streams.audio[0] if container.streams.audio else None
        sound = None
        if audio is not None:
            assert audio.duration is not None and audio.time_base is not None
            sound = round(float(audio.duration * audio.time_base), 1)
        return {
            "width": video.width,
            "height": video.height,
            "frames": sum(1 for _ in container.decode(video=0)),
            "fps": float(video.average_rate or 0),
            "seconds of sound": sound,
        }


def differences(source: dict[str, Any], result: dict[str, Any]) -> list[str]:
    """Properties by `describe` in which the result differs from the source, in words."""
    return [f"{k} {result[k]} instead of {source[k]}" for k in source if source[k] != result[k]]


def side_by_side(source: Path, mask: Path, result: Path) -> Image.Image:
    """A picture with a row each for source, mask and result, and frames spread over the video."""
    rows = []
    for path in (source, mask, result):
        frames = read_frames(path)
        index = np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)
        rows.append(np.concatenate(list(frames[index]), axis=1))
    return Image.fromarray(np.concatenate(rows, axis=0))


if __name__ == "__main__":
    sys.exit(main())
