"""Other removers: a command that gets folders, and a workflow of a ComfyUI server."""

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from train.build.candidates.comfy import _decoded, lossless_video
from train.build.candidates.removers import open_remover
from train.build.config import ComfyRemover, CommandRemover
from train.build.errors import BrokenClip

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 32, 48, 3), np.uint8)
HOLE = np.zeros((3, 32, 48), bool)
HOLE[:, 8:20, 10:30] = True
GREEN = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
frames, masks, result = map(Path, sys.argv[1:])
for path in sorted(frames.iterdir()):
    picture = np.asarray(Image.open(path)).copy()
    assert np.asarray(Image.open(masks / path.name)).max() == 255
    picture[...] = (0, 255, 0)
    Image.fromarray(picture).save(result / path.name)
"""
WORKFLOW = {
    "1": {"class_type": "LoadVideo", "_meta": {"title": "Source"}, "inputs": {"file": "a.mp4"}},
    "2": {"class_type": "LoadVideo", "_meta": {"title": "Mask"}, "inputs": {"file": "b.mp4"}},
    "3": {"class_type": "Anything", "_meta": {"title": "x"}, "inputs": {"video": ["1", 0]}},
    "4": {"class_type": "SaveVideo", "_meta": {"title": "Result"}, "inputs": {"video": ["3", 0]}},
}


def command(code, *arguments):
    return CommandRemover(kind="command", command=[sys.executable, "-c", code, *arguments])


def is_green_in_the_hole_alone(frames):
    return (frames[HOLE] == (0, 255, 0)).all() and np.array_equal(frames[~HOLE], FRAMES[~HOLE])


def test_a_command_gets_folders_and_changes_the_hole_alone():
    remove = open_remover(command(GREEN, "{frames}", "{masks}", "{result}"))
    removed = remove(FRAMES, HOLE)
    assert is_green_in_the_hole_alone(removed.frames)
    assert removed.unseen is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; print('out of memory', file=sys.stderr); sys.exit(3)", "code 3: out of mem"),
        ("pass", "no frames that can be read"),
        (GREEN.replace("picture[...] = (0, 255, 0)", "picture = picture[:16]"), "3 x 16 x 48"),
    ],
)
def test_a_command_that_fails_says_how(code, words):
    remove = open_remover(command(code, "{frames}", "{masks}", "{result}"))
    with pytest.raises(BrokenClip, match=words):
        remove(FRAMES, HOLE)


def test_a_command_that_is_missing_or_endless_is_told():
    missing = CommandRemover(kind="command", command=["no-such-program"])
    with pytest.raises(BrokenClip, match="cannot be started"):
        open_remover(missing)(FRAMES, HOLE)
    endless = CommandRemover(
        kind="command", command=[sys.executable, "-c", "while True: pass"], minutes=0.01
    )
    with pytest.raises(BrokenClip, match="more than"):
        open_remover(endless)(FRAMES, HOLE)


@contextmanager
def comfyui(fails=False):
    """A server with the parts of ComfyUI's API that a remover uses; its result is green."""
    files, prompts = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/upload/image":
                head, _, rest = body.partition(b"\r\n\r\n")
                name = head.split(b'filename="')[1].split(b'"')[0].decode()
                boundary = body.split(b"\r\n", 1)[0]
                files[name] = rest.rsplit(b"\r\n" + boundary, 1)[0]
                return self._json({"name": name})
            prompts.append(json.loads(body)["prompt"])
            return self._json({"prompt_id": "p"})

        def do_GET(self):
            url = urlsplit(self.path)
            if url.path == "/history/p":
                status = {"status_str": "success", "messages": []}
                outputs = {"4": {"images": [{"filename": "r.mp4", "type": "output"}]}}
                if fails:
                    told = {"exception_message": "no weights\nmore", "node_type": "Anything"}
                    status = {"status_str": "error", "messages": [["execution_error", told]]}
                return self._json({"p": {"status": status, "outputs": outputs}})
            assert parse_qs(url.query)["filename"] == ["r.mp4"]
            green = np.zeros_like(FRAMES)
            green[..., 1] = 255
            return self._send(lossless_video(green))

        def _json(self, content):
            self._send(json.dumps(content).encode())

        def _send(self, content):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", files, prompts
    finally:
        server.shutdown()
        server.server_close()


def remover_for(tmp_path, url, workflow=WORKFLOW):
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow))
    return open_remover(ComfyRemover(kind="comfyui", server=url, workflow=file))


def test_a_workflow_gets_the_clip_without_loss_and_its_nodes_are_found_by_title(tmp_path):
    with comfyui() as (url, files, prompts):
        removed = remover_for(tmp_path, url)(FRAMES, HOLE)
    assert is_green_in_the_hole_alone(removed.frames)
    (prompt,) = prompts
    source, mask = (prompt[key]["inputs"]["file"] for key in "12")
    assert np.array_equal(_decoded(files[source], "a.mp4"), FRAMES)
    assert np.array_equal(_decoded(files[mask], "b.mp4")[..., 0] > 127, HOLE)


def test_a_workflow_that_fails_says_where(tmp_path):
    with comfyui(fails=True) as (url, *_), pytest.raises(BrokenClip, match="Anything: no weights"):
        remover_for(tmp_path, url)(FRAMES, HOLE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"2": None}, "0 nodes titled 'Mask'"),
        ({"3": {**WORKFLOW["1"]}}, "2 nodes titled 'Source'"),
        ({"1": {**WORKFLOW["1"], "inputs": {"n": 1}}}, "loads no file"),
        ({"nodes": []}, "not in API format"),
    ],
)
def test_a_workflow_that_cannot_be_used_ends_the_run(tmp_path, changes, words):
    workflow = {k: v for k, v in {**WORKFLOW, **changes}.items() if v is not None}
    with pytest.raises(LGVIError, match=words):
        remover_for(tmp_path, "http://127.0.0.1:9", workflow)(FRAMES, HOLE)


def test_a_server_that_is_not_there_ends_the_run(tmp_path):
    with pytest.raises(LGVIError, match="no ComfyUI answers"):
        remover_for(tmp_path, "http://127.0.0.1:9")(FRAMES, HOLE)
