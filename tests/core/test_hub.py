"""Downloads, from a local server that speaks the protocol of the Hugging Face hub."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lgvi_core.checkpoint.hub import (
    COMPLETE_FILE,
    REVISION_FILE,
    download_model,
    needed_chat_files,
    needed_files,
)
from lgvi_core.errors import LGVIError

SHA = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "README.md": b"not needed",
    "model_index.json": b"{}",
    "unet/config.json": b'{"in_channels": 4}',
    "unet/diffusion_pytorch_model.bin": b"u" * 700_000,
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": b"v" * 300_000,
    "vae/diffusion_pytorch_model.bin": b"not needed",
    "text_encoder/config.json": b"{}",
    "text_encoder/pytorch_model.bin": b"t" * 1000,
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"",
    "scheduler/scheduler_config.json": b"{}",
    "safety_checker/model.safetensors": b"not needed",
}

CHAT_SMALL_FILES = {
    "config.json": b'{"model_type": "llava"}',
    "preprocessor_config.json": b"{}",
    "tokenizer.model": b"pieces",
    "tokenizer_config.json": b"{}",
    "special_tokens_map.json": b"{}",
}
CHAT_NOT_NEEDED = {
    "mm_projector.bin": b"not needed",
    "README.md": b"not needed",
    "generation_config.json": b"{}",
    "images/cat.png": b"not needed",
    "original/weights.safetensors": b"not needed",
}
PICKLES = {f"pytorch_model-0000{n}-of-00002.bin": b"p" * 400_000 for n in (1, 2)}
SHARDS = {f"model-0000{n}-of-00002.safetensors": b"s" * 400_000 for n in (1, 2)}


class Hub(BaseHTTPRequestHandler):
    """The part of the hub that downloads use: model info, HEAD and GET of files, and ranges."""

    requests: list[tuple[str, str]]
    files: dict[str, bytes]

    def do_HEAD(self):
        self.serve(body=False)

    def do_GET(self):
        self.serve(body=True)

    def serve(self, body):
        cls = type(self)
        cls.requests.append((self.command, self.path))
        if self.path.startswith("/api/models/"):
            siblings = [{"rfilename": n, "size": len(c)} for n, c in cls.files.items()]
            info = {"id": self.path.removeprefix("/api/models/"), "sha": SHA, "siblings": siblings}
            return self.answer(200, json.dumps(info).encode(), {}, body)
        marker = f"/resolve/{SHA}/"
        name = self.path.split("?")[0].partition(marker)[2]
        if name not in cls.files:
            return self.answer(404, b"", {}, body)
        content, start = cls.files[name], 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": SHA,
            "Accept-Ranges": "bytes",
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.answer(206 if start else 200, content[start:], headers, body)

    def answer(self, status, content, headers, body):
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub():
    Hub.requests, Hub.files = [], FILES
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def files_in(folder):
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {name for name in names if not name.startswith(".")}


def test_download_fetches_what_is_needed_at_one_revision(hub, tmp_path):
    seen = []
    folder = download_model(tmp_path / "lgvi", lambda *p: seen.append(p), endpoint=hub)
    names = files_in(folder)
    assert names == {
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/pytorch_model.bin",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
    }
    assert (folder / "unet/diffusion_pytorch_model.bin").read_bytes() == b"u" * 700_000
    assert (folder / REVISION_FILE).read_text() == SHA
    assert all(SHA in path for _, path in Hub.requests if "/resolve/" in path)
    done, total = seen[-1]
    assert total == sum(len(FILES[n]) for n in names)
    assert done > total * 0.9


def test_second_call_asks_the_hub_nothing(hub, tmp_path):
    download_model(tmp_path / "lgvi", endpoint=hub)
    Hub.requests.clear()
    download_model(tmp_path / "lgvi", endpoint=hub)
    assert Hub.requests == []


def test_a_stopped_download_resumes_without_fetching_files_again(hub, tmp_path):
    class Cancelled(Exception):
        pass

    def cancel_late(done, total):
        if done > 750_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        download_model(tmp_path / "lgvi", cancel_late, endpoint=hub)
    assert not (tmp_path / "lgvi" / COMPLETE_FILE).exists()
    Hub.requests.clear()
    download_model(tmp_path / "lgvi", endpoint=hub)
    fetched = [path for method, path in Hub.requests if method == "GET" and "/resolve/" in path]
    assert not any("unet/diffusion" in path for path in fetched)
    assert (tmp_path / "lgvi" / COMPLETE_FILE).exists()


@pytest.mark.parametrize(
    ("listed", "wanted"), [({**PICKLES, **SHARDS}, SHARDS), (PICKLES, PICKLES)]
)
def test_a_chat_model_in_shards_is_fetched_resumed_and_complete(hub, tmp_path, listed, wanted):
    class Cancelled(Exception):
        pass

    def cancel_in_the_second(done, total):
        if done > 500_000:
            raise Cancelled

    Hub.files = {**CHAT_SMALL_FILES, **CHAT_NOT_NEEDED, **listed}
    folder = tmp_path / "llava"
    options = {"repository": "someone/llava", "endpoint": hub, "choose": needed_chat_files}
    with pytest.raises(Cancelled):
        download_model(folder, cancel_in_the_second, **options)
    assert not (folder / COMPLETE_FILE).exists()
    Hub.requests.clear()
    seen = []
    download_model(folder, lambda *p: seen.append(p), **options)
    assert files_in(folder) == {*CHAT_SMALL_FILES, *wanted}
    assert all((folder / name).read_bytes() == content for name, content in wanted.items())
    assert seen[-1][1] == sum(len(Hub.files[name]) for name in files_in(folder))
    fetched = [path for method, path in Hub.requests if method == "GET" and "/resolve/" in path]
    assert not any("00001-of" in path for path in fetched), "it had arrived"
    assert all(path.startswith(f"/someone/llava/resolve/{SHA}/") for path in fetched)
    Hub.requests.clear()
    download_model(folder, **options)
    assert Hub.requests == []


def test_a_repository_without_weights_of_a_chat_model_is_refused(hub, tmp_path):
    Hub.files = {**CHAT_SMALL_FILES, **CHAT_NOT_NEEDED}
    with pytest.raises(LGVIError, match="no weights of a chat model"):
        download_model(tmp_path / "llava", endpoint=hub, choose=needed_chat_files)


def test_a_file_deleted_later_is_fetched_again(hub, tmp_path):
    folder = download_model(tmp_path / "lgvi", endpoint=hub)
    (folder / "vae/config.json").unlink()
    download_model(folder, endpoint=hub)
    assert (folder / "vae/config.json").is_file()


def test_no_network_says_what_to_do(tmp_path):
    with pytest.raises(LGVIError, match=r"run again: the download resumes"):
        download_model(tmp_path / "lgvi", endpoint="http://127.0.0.1:9")


def test_a_repository_without_unet_is_refused():
    with pytest.raises(LGVIError, match="no unet"):
        needed_files(["vae/config.json"])
