"""A workflow of a ComfyUI server as remover: VOID, MiniMax-Remover, ProPainter and so on.

The workflow is one that `Export (API)` saved. Frames and masks are uploaded as lossless videos,
whose names go into the file inputs of the nodes titled *Source* and *Mask*; the result is what the
node titled *Result* saves: a video, or pictures. White in the mask is what goes.
"""

import io
import json
import time
import uuid
from fractions import Fraction
from typing import Any

import av
import numpy as np
import requests
from PIL import Image

from lgvi_core.errors import LGVIError

from ..config import ComfyRemover
from ..errors import BrokenClip

FILE_INPUTS = ("video", "file", "image", "path", "filename")
"""Names of inputs that a node which loads a file may have, in the order of preference."""
FPS = Fraction(24)
_WAIT = 60  # seconds to wait for an answer of the server
_POLL = 0.3  # seconds between two looks at whether a workflow has ended

Prompt = dict[str, dict[str, Any]]


def remove_by_comfyui(config: ComfyRemover, frames: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Frames uint8 RGB [f, h, w, 3] as the workflow gives them back.

    Raises LGVIError where the server or the workflow cannot be used at all, and BrokenClip where
    it fails for this clip.
    """
    prompt = read_workflow(config)
    white = np.repeat(hole[..., None].astype(np.uint8) * 255, 3, -1)
    token = uuid.uuid4().hex
    server = _Server(config.server)
    for title, content in ((config.source_title, frames), (config.mask_title, white)):
        name = server.upload(f"lgvi-{token}-{title.lower()}.mp4", lossless_video(content))
        _load_node(prompt, title)["inputs"][_file_input(prompt, title)] = name
    outputs = server.run(prompt, 60 * config.minutes)
    node = _node(prompt, config.result_title)
    files = [
        item
        for found in outputs.get(node, {}).values()
        if isinstance(found, list)
        for item in found
        if isinstance(item, dict) and "filename" in item
    ]
    if not files:
        raise BrokenClip(f"the node {config.result_title!r} of the workflow saved no file")
    return np.concatenate([_decoded(server.file(item), item["filename"]) for item in files])


def read_workflow(config: ComfyRemover) -> Prompt:
    """The workflow in API format, with all three nodes in it. Raises LGVIError if it is not."""
    try:
        prompt = json.loads(config.workflow.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LGVIError(f"{config.workflow} cannot be read: {error}") from None
    nodes = prompt.values() if isinstance(prompt, dict) else []
    if not nodes or not all(isinstance(n, dict) and "class_type" in n for n in nodes):
        raise LGVIError(
            f"{config.workflow} is not in API format: save it by `Export (API)` of ComfyUI's menu"
        )
    for title in (config.source_title, config.mask_title):
        _file_input(prompt, title)
    _node(prompt, config.result_title)
    return prompt


def _node(prompt: Prompt, title: str) -> str:
    found = [key for key, node in prompt.items() if _title(node) == title]
    if len(found) != 1:
        known = sorted({_title(node) for node in prompt.values()} - {""})
        raise LGVIError(
            f"the workflow has {len(found)} nodes titled {title!r} and needs one; "
            f"it has {', '.join(known)}"
        )
    return found[0]


def _title(node: dict[str, Any]) -> str:
    return str(node.get("_meta", {}).get("title", ""))


def _load_node(prompt: Prompt, title: str) -> dict[str, Any]:
    return prompt[_node(prompt, title)]


def _file_input(prompt: Prompt, title: str) -> str:
    inputs = _load_node(prompt, title).get("inputs", {})
    for name in FILE_INPUTS:
        if isinstance(inputs.get(name), str):
            return name
    raise LGVIError(
        f"the node titled {title!r} loads no file: it has the inputs {', '.join(inputs) or 'none'}"
    )


class _Server:
    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self.session.request(method, self.url + path, timeout=_WAIT, **options)
        except requests.RequestException as error:
            raise LGVIError(f"no ComfyUI answers at {self.url}: {error}") from None

    def upload(self, name: str, content: bytes) -> str:
        answer = self._call("POST", "/upload/image", files={"image": (name, content)})
        if not answer.ok:
            raise LGVIError(f"{self.url} takes no files: {answer.status_code} {answer.text[:200]}")
        stored: str = answer.json()["name"]
        return stored

    def run(self, prompt: Prompt, seconds: float) -> dict[str, Any]:
        answer = self._call("POST", "/prompt", json={"prompt": prompt})
        if not answer.ok:
            raise LGVIError(f"ComfyUI refused the workflow: {answer.text[:600]}")
        number = answer.json()["prompt_id"]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            entry = self._call("GET", f"/history/{number}").json().get(number)
            if entry is not None:
                return _outputs(entry)
            time.sleep(_POLL)
        self._call("POST", "/interrupt", json={"prompt_id": number})
        raise BrokenClip(f"the workflow ran for more than {seconds / 60:g} minutes")

    def file(self, item: dict[str, str]) -> bytes:
        names = {key: item.get(key, "") for key in ("filename", "subfolder", "type")}
        answer = self._call("GET", "/view", params=names)
        if not answer.ok:
            raise BrokenClip(f"ComfyUI does not give {item['filename']} out: {answer.status_code}")
        return answer.content


def _outputs(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["status"]["status_str"] == "success":
        outputs: dict[str, Any] = entry["outputs"]
        return outputs
    for kind, details in entry["status"]["messages"]:
        if kind == "execution_error":
            message = str(details["exception_message"]).strip().splitlines()
            raise BrokenClip(f"the workflow failed in {details['node_type']}: {message[0]}")
    raise BrokenClip("the workflow was interrupted")


def lossless_video(frames: np.ndarray) -> bytes:
    """Frames uint8 RGB [f, h, w, 3] as an MP4 file of H.264 that loses nothing (RGB coded)."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264rgb", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb24"
        stream.options = {"qp": "0", "preset": "ultrafast"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _decoded(content: bytes, name: str) -> np.ndarray:
    """A saved file as frames uint8 RGB [f, h, w, 3]."""
    try:
        if name.lower().endswith((".png", ".jpg", ".jpeg", ".webp")):
            return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[None]
        with av.open(io.BytesIO(content)) as container:
            return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    except (av.FFmpegError, OSError, ValueError) as error:
        raise BrokenClip(f"the workflow's result {name} cannot be read: {error}") from None
