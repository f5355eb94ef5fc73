"""A real ComfyUI server with this pack on a free port, and a client of its HTTP API."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..paths import ROOT, link_folder

PACK_NAME = "comfyui-lgvi"
START_SECONDS = 180
ON_CPU = ("--cpu", "--preview-method", "latent2rgb")
# The server is local, so a proxy that the environment names must not be used.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Prompt = dict[str, dict[str, Any]]
"""A prompt in ComfyUI's API format: node id -> class_type and inputs."""


class PromptFailed(RuntimeError):
    """ComfyUI refused or failed a prompt; `details` is what the page would show."""

    def __init__(self, message: str, details: Any) -> None:
        super().__init__(message)
        self.details = details


class ComfyServer:
    """Client of a running ComfyUI, with its base directory, log file and process id."""

    def __init__(self, url: str, base: Path, log: Path, pid: int) -> None:
        self.url, self.base, self.log, self.pid = url, base, log, pid

    def get(self, path: str, **query: str) -> Any:
        """JSON answer to a GET request."""
        return json.loads(self.read(path, **query))

    def read(self, path: str, **query: str) -> bytes:
        """Answer to a GET request, as bytes."""
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with OPENER.open(url, timeout=60) as response:
            return response.read()

    def post(self, path: str, body: Any) -> Any:
        """JSON answer to a POST request; raises PromptFailed where the server refuses it."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with OPENER.open(request, timeout=60) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            details = json.loads(error.read())
            raise PromptFailed(json.dumps(details), details) from error
        return json.loads(text) if text else None

    def queue(self, prompt: Prompt, workflow: Any = None, client: str = "") -> str:
        """Queue a prompt and return its id; raises PromptFailed where validation refuses it."""
        extra = {"extra_pnginfo": {"workflow": workflow}} if workflow else {}
        body = {"prompt": prompt, "client_id": client or uuid.uuid4().hex, "extra_data": extra}
        return self.post("/prompt", body)["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 600) -> dict[str, Any]:
        """Wait for a prompt to end and return its outputs by node id.

        Raises PromptFailed with the node's error where it failed, and TimeoutError after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return _outputs(history[prompt_id])
            time.sleep(0.2)
        raise TimeoutError(f"prompt {prompt_id} did not end within {seconds} s")

    def run(self, prompt: Prompt, seconds: float = 600) -> dict[str, Any]:
        """Queue a prompt and wait for its outputs, as `queue` and `wait` do."""
        return self.wait(self.queue(prompt), seconds)

    def file(self, item: dict[str, str]) -> bytes:
        """Content of a file that an output node reported."""
        names = ("filename", "subfolder", "type")
        return self.read("/view", **{name: item[name] for name in names})

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def running_server(base: Path, options: tuple[str, ...] = ON_CPU) -> Iterator[ComfyServer]:
    """Start the ComfyUI of COMFYUI_PATH with its folders in `base`; stop it on leaving."""
    link_pack(base)
    port = _free_port()
    log = base / "comfyui.log"
    command = [
        sys.executable,
        str(Path(os.environ["COMFYUI_PATH"]) / "main.py"),
        *("--listen", "127.0.0.1", "--port", str(port)),
        *("--base-directory", str(base), "--database-url", "sqlite:///:memory:"),
        *("--disable-auto-launch", *options),
    ]
    # The server has a process group of its own, so that no process it starts outlives it.
    group: dict[str, Any] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
        if os.name == "nt"
        else {"start_new_session": True}
    )
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **group)
    try:
        server = ComfyServer(f"http://127.0.0.1:{port}", base, log, process.pid)
        _wait_until_up(server, process)
        yield server
    finally:
        _stop(process)


def link_pack(base: Path) -> None:
    """Link this pack into the custom_nodes folder of `base` without copying it."""
    link_folder(base / "custom_nodes" / PACK_NAME, ROOT)


def _wait_until_up(server: ComfyServer, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ComfyUI ended while starting:\n{server.log_text()[-4000:]}")
        try:
            server.get("/system_stats")
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise TimeoutError(f"ComfyUI did not answer in time:\n{server.log_text()[-4000:]}")


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        if os.name == "nt":
            process.terminate()
        else:
            os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _outputs(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["status"]["status_str"] == "success":
        return entry["outputs"]
    for kind, details in entry["status"]["messages"]:
        if kind == "execution_error":
            raise PromptFailed(details["exception_message"].strip(), details)
    raise PromptFailed("interrupted", entry["status"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
